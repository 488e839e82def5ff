"""A second opinion on what Slack would say to our golden cards, by people who wrote none of them.

    slack_second_opinion.py FOLDER

Every card is loaded by the models of slack_sdk (charts by those of slackblocks, the only ones that know them), whose validators know Slack's limits, and must come out as it went in;
kinds of blocks must be allowed where they stand, and our table of limits must agree with that of slackblocks. Prints
what is wrong, a line each.
"""

import json
import logging
import pathlib
import sys

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View
from slackblocks import (
    AxisConfig,
    BarChart,
    DataPoint,
    DataSeries,
    DataVisualizationBlock,
    LineChart,
    _limits,
    _surfaces,
)

# Our name of a limit, and theirs.
SAME = {
    "message_blocks": "MESSAGE_BLOCKS_MAX_ITEMS",
    "view_blocks": "VIEW_BLOCKS_MAX_ITEMS",
    "id": ["ACTION_ID_MAX_LENGTH", "BLOCK_ID_MAX_LENGTH", "VIEW_CALLBACK_ID_MAX_LENGTH"],
    "header": "HEADER_TEXT_MAX_LENGTH",
    "section": ["SECTION_TEXT_MAX_LENGTH", "TEXT_MAX_LENGTH"],
    "context_elements": "CONTEXT_ELEMENTS_MAX_ITEMS",
    "actions": "ACTIONS_ELEMENTS_MAX_ITEMS",
    "button_label": "BUTTON_TEXT_MAX_LENGTH",
    "button_spoken": "BUTTON_ACCESSIBILITY_LABEL_MAX_LENGTH",
    "button_value": "BUTTON_VALUE_MAX_LENGTH",
    "confirm_title": "CONFIRMATION_TITLE_MAX_LENGTH",
    "confirm_text": "CONFIRMATION_TEXT_MAX_LENGTH",
    "confirm_button": ["CONFIRMATION_CONFIRM_MAX_LENGTH", "CONFIRMATION_DENY_MAX_LENGTH"],
    "option_text": "OPTION_TEXT_MAX_LENGTH",
    "option_value": "OPTION_VALUE_MAX_LENGTH",
    "option_description": "OPTION_DESCRIPTION_MAX_LENGTH",
    "options": "SELECT_OPTIONS_MAX_ITEMS",
    "placeholder": "SELECT_PLACEHOLDER_MAX_LENGTH",
    "input_label": "INPUT_LABEL_MAX_LENGTH",
    "input_hint": "INPUT_HINT_MAX_LENGTH",
    "input_value": "PLAIN_TEXT_INPUT_MAX_LENGTH_MAX",
    "view_title": "VIEW_TITLE_MAX_LENGTH",
    "view_button": ["VIEW_SUBMIT_MAX_LENGTH", "VIEW_CLOSE_MAX_LENGTH"],
    "view_metadata": "VIEW_PRIVATE_METADATA_MAX_LENGTH",
    "chart_title": "DATA_VISUALIZATION_TITLE_MAX_LENGTH",
    "chart_points": ["DATA_VISUALIZATION_DATA_MAX_ITEMS", "DATA_VISUALIZATION_CATEGORIES_MAX_ITEMS"],
    "chart_label": [
        "DATA_VISUALIZATION_POINT_LABEL_MAX_LENGTH",
        "DATA_VISUALIZATION_CATEGORY_LABEL_MAX_LENGTH",
        "DATA_VISUALIZATION_SERIES_NAME_MAX_LENGTH",
    ],
    "chart_axis": "DATA_VISUALIZATION_AXIS_LABEL_MAX_LENGTH",
    "table_rows": "TABLE_ROWS_MAX_ITEMS",
    "table_columns": ["TABLE_COLUMNS_MAX_ITEMS", "TABLE_COLUMN_SETTINGS_MAX_ITEMS"],
}
# What they do not state as a limit of the whole: ours only has to be the smaller one.
BELOW = {
    "chart_series": "DATA_VISUALIZATION_SERIES_MAX_ITEMS",
    "total_text": "MARKDOWN_TOTAL_TEXT_MAX_LENGTH",
    "message_text": None,
}

wrong = []


class Warnings(logging.Handler):
    """A warning of theirs is a word that they do not know."""

    def emit(self, record):
        wrong.append(f"slack_sdk warns: {record.getMessage()}")


def limits(folder):
    ours = json.loads((folder / "limits.json").read_text())
    for name, limit in ours.items():
        if name in BELOW:
            theirs = BELOW[name]
            if theirs and limit["most"] > getattr(_limits, theirs):
                wrong.append(f"limits: {name} is {limit['most']}, above {theirs} {getattr(_limits, theirs)}")
            continue
        theirs = SAME.get(name, [])
        theirs = [theirs] if isinstance(theirs, str) else theirs
        if not theirs:
            wrong.append(f"limits: nobody to compare {name} with")
        for other in theirs:
            if getattr(_limits, other) != limit["most"]:
                wrong.append(f"limits: {name} is {limit['most']}, {other} is {getattr(_limits, other)}")


def differences(mine, theirs, at):
    """What of ours their models lost or changed; what they add is theirs."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key, value in mine.items():
            if key not in theirs:
                wrong.append(f"{at}/{key}: lost by them")
            else:
                differences(value, theirs[key], f"{at}/{key}")
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for index, (a, b) in enumerate(zip(mine, theirs)):
            differences(a, b, f"{at}/{index}")
    elif mine != theirs:
        wrong.append(f"{at}: {mine!r} became {theirs!r}")


def chart(block):
    """slack_sdk has no model of charts; slackblocks has one, which it does not load by itself."""
    inner = block["chart"]
    series = [
        DataSeries(one["name"], [DataPoint(point["label"], point["value"]) for point in one["data"]])
        for one in inner["series"]
    ]
    model = {"line": LineChart, "bar": BarChart}[inner["type"]](series, AxisConfig(**inner["axis_config"]))
    return DataVisualizationBlock(block["title"], model, block.get("block_id"))._resolve()


def load(block):
    if block["type"] == "data_visualization":
        return chart(block)
    [loaded] = Block.parse_all([block])
    return loaded.to_dict()


def blocks(name, given, surface):
    try:
        differences(given, [load(block) for block in json.loads(json.dumps(given))], name)
        _surfaces.validate_surface_blocks(given, surface)
    except Exception as error:  # whatever they refuse, in whatever way
        wrong.append(f"{name}: {type(error).__name__}: {error}")


def card(path):
    given, name = json.loads(path.read_text()), path.stem
    if "view" not in given:
        blocks(name, given["blocks"], "message")
        return
    view = given["view"]
    blocks(name, view["blocks"], view["type"])
    try:
        theirs = View(**json.loads(json.dumps(view))).to_dict()
        differences({key: value for key, value in view.items() if key != "blocks"}, theirs, name)
    except Exception as error:
        wrong.append(f"{name}: {type(error).__name__}: {error}")


def main():
    logging.getLogger("slack_sdk").addHandler(Warnings())
    folder = pathlib.Path(sys.argv[1])
    limits(folder)
    cards = sorted(path for path in folder.glob("*.json") if path.name != "limits.json")
    for path in cards:
        card(path)
    print("\n".join(wrong) if wrong else f"{len(cards)} cards are sound")
    sys.exit(1 if wrong or not cards else 0)


main()
