"""Scikit-learn's diabetes data: 442 patients, ten measurements each, and how far the disease had gone a year later."""

from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

MEASURED = ("age", "sex", "bmi", "blood pressure", "cholesterol", "ldl", "hdl", "cholesterol / hdl", "log triglycerides", "glucose")


def patients():
    """Give (x, y) to train on and (x, y) to judge by; no patient is in both."""
    data = load_diabetes(scaled=False)
    x, y = data.data.astype("float32"), data.target.astype("float32")
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=7)
    return (x_train, y_train), (x_test, y_test)
