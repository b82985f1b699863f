"""What every Pushline process needs: settings, health, logs, metrics, shutdown."""
