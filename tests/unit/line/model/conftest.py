"""How long the model-based test runs: `--hypothesis-profile=campaign` for the long form, else the one of every day."""

from hypothesis import HealthCheck, Phase, settings

SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile(
    "ledger",
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=SLOW_IS_FINE,
    phases=(Phase.generate, Phase.shrink),
    database=None,
)
settings.register_profile("campaign", settings.get_profile("ledger"), max_examples=2000, stateful_step_count=40)
