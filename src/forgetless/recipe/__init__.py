"""The recipe: what a run should do, as data that validates alone."""

from forgetless.recipe.data import (
    EndpointSettings,
    FileSettings,
    MixtureSettings,
    RecordSettings,
    ReplaySettings,
    RowTemplate,
    SourceSettings,
)
from forgetless.recipe.load import dump_recipe, load_comparison, load_recipe, parse_recipe
from forgetless.recipe.ready import BUNDLES, READY_SETS, ReadyName, ready_margin
from forgetless.recipe.schema import CapabilitySettings, ComparisonRecipe, DomainSettings, EvaluationSettings, Recipe
from forgetless.recipe.settled import settled, settled_like
from forgetless.recipe.sweep import SweepRecipe, SweepSettings, SweepTrial, dump_sweep, load_sweep, parse_sweep
from forgetless.recipe.tasks import (
    AnswerProbabilityTask,
    ChoiceTask,
    GenerationTask,
    HeldOutTask,
    ItemFiles,
    LmEvalTask,
    PreferenceTask,
    ProceduralTask,
    PythonTask,
    ReadyTask,
    ReasoningGymTask,
    TaskSettings,
    TemplateLeakTask,
)
from forgetless.recipe.training import LoraSettings, ModelSettings, TrainingSettings

__all__ = [
    "BUNDLES",
    "READY_SETS",
    "AnswerProbabilityTask",
    "CapabilitySettings",
    "ChoiceTask",
    "ComparisonRecipe",
    "DomainSettings",
    "EndpointSettings",
    "EvaluationSettings",
    "FileSettings",
    "GenerationTask",
    "HeldOutTask",
    "ItemFiles",
    "LmEvalTask",
    "LoraSettings",
    "MixtureSettings",
    "ModelSettings",
    "PreferenceTask",
    "ProceduralTask",
    "PythonTask",
    "ReadyName",
    "ReadyTask",
    "ReasoningGymTask",
    "Recipe",
    "RecordSettings",
    "ReplaySettings",
    "RowTemplate",
    "SourceSettings",
    "SweepRecipe",
    "SweepSettings",
    "SweepTrial",
    "TaskSettings",
    "TemplateLeakTask",
    "TrainingSettings",
    "dump_recipe",
    "dump_sweep",
    "load_comparison",
    "load_recipe",
    "load_sweep",
    "parse_recipe",
    "parse_sweep",
    "ready_margin",
    "settled",
    "settled_like",
]
