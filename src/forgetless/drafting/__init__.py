"""A first recipe: a look at the data and at the model goes in, a commented recipe that runs as it stands comes out."""

from forgetless.drafting.data import DataLook, look_at_data
from forgetless.drafting.decisions import Draft, Wishes, draft_recipe
from forgetless.drafting.writing import COMMENT_LANGUAGES, write_recipe

__all__ = ["COMMENT_LANGUAGES", "DataLook", "Draft", "Wishes", "draft_recipe", "look_at_data", "write_recipe"]
