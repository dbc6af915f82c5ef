"""Gates decide: they map utilization, or features, or what was learned, to the groups that run."""

from keras_tnn.gates.blind import Blind
from keras_tnn.gates.budget_policy import BudgetPolicy
from keras_tnn.gates.convolutional import Convolutional
from keras_tnn.gates.data_dependent import DataDependent
from keras_tnn.gates.data_independent import DataIndependent
from keras_tnn.gates.decision import Decision, record_decisions
from keras_tnn.gates.depthwise_order import depthwise_order
from keras_tnn.gates.estimators import Concrete, Estimator, Soft, StraightThrough
from keras_tnn.gates.gate import Gate
from keras_tnn.gates.independent import Independent
from keras_tnn.gates.inference import AlwaysOn, Ensemble, Stochastic, Threshold
from keras_tnn.gates.learned import LearnedGate
from keras_tnn.gates.nested import Nested
from keras_tnn.gates.recurrent import Recurrent
from keras_tnn.gates.reinforce import Reinforce

__all__ = [
    "AlwaysOn",
    "Blind",
    "BudgetPolicy",
    "Concrete",
    "Convolutional",
    "DataDependent",
    "DataIndependent",
    "Decision",
    "Ensemble",
    "Estimator",
    "Gate",
    "Independent",
    "LearnedGate",
    "Nested",
    "Recurrent",
    "Reinforce",
    "Soft",
    "Stochastic",
    "StraightThrough",
    "Threshold",
    "depthwise_order",
    "record_decisions",
]
