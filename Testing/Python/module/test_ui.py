"""The panel's .ui file as XML, held against the names and parameters that the module's Python uses."""

import ast
import dataclasses
import re
from enum import EnumMeta
from xml.etree import ElementTree

import pytest

from SphericalRegLib.app.panel.carm_fields import CArmFields
from SphericalRegLib.app.panel.filling import Filling, typed_fields
from SphericalRegLib.app.panel.geometry_fields import ViewFields, group_of, problems
from SphericalRegLib.app.panel.packs import camel_case, read_pack
from SphericalRegLib.geometry.carm_words import NAMED_VIEWS
from Testing.Python.module.parameters import MODULE, PACKS, choices, choices_of, fields_of, labels_of, stand_in

UI = MODULE / "Resources" / "UI" / "SphericalReg.ui"
PYTHON = [MODULE / "SphericalReg.py", *sorted((MODULE / "SphericalRegUI").glob("*.py"))]

# Which types each kind of widget can be bound to (Slicer's parameterNodeWrapper.guiConnectors).
BINDINGS = {
    "QCheckBox": {"bool"},
    "QSpinBox": {"int"},
    "QDoubleSpinBox": {"float", "int"},
    "ctkSliderWidget": {"float", "int"},
    "QComboBox": {"enum"},
    "qMRMLNodeComboBox": {"node"},
}
OPERATED = {
    *BINDINGS,
    "QPushButton",
    "ctkPathLineEdit",
    "QTabWidget",
    "qMRMLTableView",
    "ctkCheckableComboBox",
    "ctkCollapsibleButton",
}
# These bear their own text.
TITLED = {"QCheckBox", "QPushButton", "QTabWidget", "ctkCollapsibleButton", "ctkCollapsibleGroupBox"}


@pytest.fixture(scope="module")
def root():
    return ElementTree.parse(UI).getroot()


@pytest.fixture(scope="module")
def widgets(root):
    """{name: element}, the panel itself included."""
    found = {}
    for element in root.iter("widget"):
        assert element.get("name") not in found, f"{element.get('name')} is there twice"
        found[element.get("name")] = element
    return found


def property_of(element, name):
    for child in element.findall("property"):
        if child.get("name") == name:
            return "".join(child.itertext()).strip()
    return None


def kind_of(annotation):
    """The plain type of a field's annotation: bool, int, float, enum, node, …"""
    plain = re.sub(r"^Annotated\[(\w+),.*\]$", r"\1", annotation)
    if plain.startswith("vtkMRML"):
        return "node"
    return "enum" if isinstance(getattr(choices(), plain, None), EnumMeta) else plain


def fields():
    """{parameter name, packs dotted: annotation}."""
    found = {}
    for name, (annotation, _) in fields_of("SphericalRegParameterNode").items():
        if annotation in PACKS:
            found |= {f"{name}.{part}": kind for part, (kind, _) in fields_of(annotation).items()}
        else:
            found[name] = annotation
    return found


def bound(widgets):
    """{parameter: widget}."""
    found = {}
    for element in widgets.values():
        parameter = property_of(element, "SlicerParameterName")
        if parameter is not None:
            assert parameter not in found, f"{parameter} is bound twice"
            found[parameter] = element
    return found


def used_names():
    """Names of widgets that the Python uses: ``ui.name`` and ``getattr(ui, "name")``, numbers of views filled in."""
    found = set()
    for file in PYTHON:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("ui", "self.ui", "widget.ui"):
                found.add(node.attr)
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "getattr"
                and ast.unparse(node.args[0]).endswith("ui")
            ):
                found |= spelled(node.args[1])
    return found


def spelled(node):
    """The names that a constant or an f-string over views and problem labels can mean."""
    if isinstance(node, ast.Constant):
        return {node.value}
    if not isinstance(node, ast.JoinedStr):
        return set()
    names = {""}
    for part in node.values:
        if isinstance(part, ast.Constant):
            endings = [part.value]
        elif ast.unparse(part.value) == "name":
            endings = ["sdd", "sad", "spacing", "offCenter", "angles"]
        else:
            endings = ["1", "2"]
        names = {name + ending for name in names for ending in endings}
    return names


def test_every_widget_that_the_python_names_exists(widgets):
    names = used_names()
    assert len(names) > 50
    assert names - set(widgets) == set()


def test_every_named_button_is_used(widgets):
    buttons = {name for name, element in widgets.items() if element.get("class") == "QPushButton"}
    assert buttons - used_names() == set()


def test_every_bound_parameter_is_a_field_of_a_fitting_type(widgets):
    known = fields()
    for parameter, element in bound(widgets).items():
        assert parameter in known, f"{element.get('name')} is bound to {parameter}, which is no parameter"
        kind = kind_of(known[parameter])
        assert kind in BINDINGS[element.get("class")], f"{element.get('name')} ({element.get('class')}) to {kind}"


def test_every_parameter_is_bound_or_handled_by_the_python(widgets):
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in PYTHON if file.name not in ("ParameterNode.py", "Choices.py")
    )
    for parameter in set(fields()) - set(bound(widgets)):
        # of either view, by the number at the name's end or before its pack's part
        of_a_view = f'f"{parameter[:-1]}{{number}}"'
        name = parameter.rpartition(".")[2]
        assert re.search(rf"\.{name}\b", text) or of_a_view in text, f"nothing sets or shows {parameter}"


def test_sliders_and_ranges_are_bounded_as_slicer_wants_it(widgets):
    known = fields()
    for parameter, element in bound(widgets).items():
        if element.get("class") == "ctkSliderWidget":
            assert "WithinRange" in known[parameter]


def test_spin_boxes_say_what_an_empty_field_means(widgets):
    """The special text is shown at the minimum, which the parameter's range sets to 0."""
    known = fields()
    for parameter, element in bound(widgets).items():
        if property_of(element, "specialValueText") is not None:
            assert re.search(r"WithinRange\(0(\.0)?, ", known[parameter])


def test_combo_boxes_of_enumerations_are_empty_in_the_file(widgets):
    """Slicer fills them, and would fail on an index beyond its own."""
    for element in bound(widgets).values():
        if element.get("class") == "QComboBox":
            assert element.findall("item") == []


def test_every_node_selector_gets_the_scene(root, widgets):
    connected = {
        connection.findtext("receiver")
        for connection in root.iter("connection")
        if connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
        and connection.findtext("sender") == "SphericalReg"
    }
    needing = {name for name, element in widgets.items() if element.get("class").startswith("qMRML")} - {"SphericalReg"}
    assert connected == needing
    assert widgets["SphericalReg"].get("class") == "qMRMLWidget"


def test_node_selectors_offer_the_class_that_their_parameter_holds(widgets):
    known = fields()
    for parameter, element in bound(widgets).items():
        if element.get("class") == "qMRMLNodeComboBox":
            assert property_of(element, "nodeTypes") == known[parameter]


def test_everything_can_be_reached_by_keyboard(root, widgets):
    stops = [stop.text for stop in root.iter("tabstop")]
    assert len(stops) == len(set(stops))
    assert set(stops) <= set(widgets)
    for name, element in widgets.items():
        if element.get("class") in OPERATED:
            assert name in stops, f"{name} is not in the tab order"
            assert property_of(element, "focusPolicy") in (None, "Qt::StrongFocus", "Qt::TabFocus")


def test_the_tab_order_is_that_of_the_page(root, widgets):
    order = [name for name in widgets if name in {stop.text for stop in root.iter("tabstop")}]
    assert [stop.text for stop in root.iter("tabstop")] == order


def test_every_field_has_a_label_or_its_own_text(widgets):
    labeled = {property_of(element, "buddy") for element in widgets.values() if element.get("class") == "QLabel"}
    for name, element in widgets.items():
        if element.get("class") not in OPERATED:
            continue
        if element.get("class") in TITLED:
            titled = (
                property_of(element, "text") or property_of(element, "title") or element.get("class") == "QTabWidget"
            )
            assert titled, f"{name} bears no text"
        else:
            # the second of two fields in a row shares the first one's label and has a tool tip of its own
            assert name in labeled or property_of(element, "toolTip"), f"{name} has neither label nor tool tip"
    assert labeled - {None} <= set(widgets)


def test_fields_and_buttons_explain_themselves(widgets):
    for name, element in widgets.items():
        if property_of(element, "SlicerParameterName") and not name.endswith("CheckBox"):
            assert property_of(element, "toolTip"), f"{name} has no tool tip"


def test_the_notice_is_at_the_top(widgets):
    names = [name for name in widgets if name != "SphericalReg"]
    assert names[0] == "noticeLabel"
    assert "Not for clinical use" in property_of(widgets["noticeLabel"], "text")


def test_only_classes_that_the_file_declares_are_used(root, widgets):
    declared = {element.findtext("class") for element in root.iter("customwidget")}
    used = {element.get("class") for element in widgets.values()}
    assert {name for name in used if not name.startswith("Q")} == declared


class TestGeometry:
    """One X-ray's geometry is the library's ``ViewFields``; the saved parameters and the fields on the page follow."""

    def test_the_parameters_are_the_fields_by_the_same_names_with_the_same_empty_values(self):
        saved = fields_of("ViewGeometry")
        # what a header filled in is no part of it
        assert saved.pop("filled") == ("str", "''")
        assert list(saved) == [camel_case(field.name) for field in dataclasses.fields(ViewFields)]
        assert read_pack(ViewFields, stand_in("ViewGeometry")) == ViewFields()

    def test_the_names_in_saved_scenes_stay(self):
        """A scene that was saved before would be loaded without what has another name now."""
        assert list(fields_of("ViewGeometry")) == [
            "sdd",
            "sad",
            "rowSpacing",
            "columnSpacing",
            "offCenterColumns",
            "offCenterRows",
            "primaryAngle",
            "secondaryAngle",
            "rotation",
            "mirrored",
            "anglesKnown",
            "tone",
            "filled",
        ]

    @pytest.mark.parametrize("number", [1, 2])
    def test_each_has_its_field_on_the_page(self, widgets, number):
        prefix = f"geometry{number}."
        shown = {name.removeprefix(prefix) for name in bound(widgets) if name.startswith(prefix)}
        assert shown == {camel_case(field.name) for field in dataclasses.fields(ViewFields)}

    def test_what_can_be_wrong_is_told_beside_its_group(self, widgets):
        wrong = ViewFields(sdd=1.0, sad=2.0, off_center_columns=9.0, secondary_angle=91.0)
        groups = {group_of(field) for field in problems(wrong, (2, 2), several=True)}
        assert groups == {"sdd", "sad", "spacing", "off_center", "angles"}
        for group in groups:
            assert {f"{camel_case(group)}{number}ProblemLabel" for number in (1, 2)} <= set(widgets)

    def test_what_the_page_rounds_is_not_taken_for_typed(self, widgets):
        for name, element in bound(widgets).items():
            pack, _, parameter = name.partition(".")
            if pack == "geometry1" and element.get("class") == "QDoubleSpinBox":
                off = 0.5 * 10.0 ** -int(property_of(element, "decimals"))
                field = next(one.name for one in dataclasses.fields(ViewFields) if camel_case(one.name) == parameter)
                filling = Filling(0, dataclasses.asdict(ViewFields()))
                assert typed_fields(ViewFields(**{field: off}), filling) == set()
                assert typed_fields(ViewFields(**{field: 1.1 * off}), filling) == {field}


class TestCArm:
    """The C-arm's numbers are the library's ``CArmFields``."""

    def test_the_parameters_are_the_fields_by_the_same_names_with_the_same_values(self):
        assert list(fields_of("CArmGeometry")) == [camel_case(field.name) for field in dataclasses.fields(CArmFields)]
        assert read_pack(CArmFields, stand_in("CArmGeometry")) == CArmFields()

    def test_each_has_its_field_on_the_page_within_the_same_range(self, widgets):
        shown = {name: element for name, element in bound(widgets).items() if name.startswith("carm.")}
        assert {name.removeprefix("carm.") for name in shown} == set(fields_of("CArmGeometry"))
        for name, element in shown.items():
            limits = re.search(r"WithinRange\((-?[\d.]+), (-?[\d.]+)\)", fields()[name])
            if limits:
                assert [float(property_of(element, end)) for end in ("minimum", "maximum")] == [
                    float(limit) for limit in limits.groups()
                ]

    def test_every_view_of_the_library_has_words(self):
        labels = next(
            node.body[-1].value
            for node in ast.parse((MODULE / "SphericalRegUI" / "CArmSection.py").read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name == "viewLabels"
        )
        assert [key.value for key in labels.keys] == list(NAMED_VIEWS)

    def test_its_section_is_the_first_and_the_ct_stands_above(self, widgets):
        names = [
            name
            for name, element in widgets.items()
            if element.get("class") == "ctkCollapsibleButton" or name == "ctSelector"
        ]
        assert names[:3] == ["ctSelector", "carmCollapsibleButton", "inputsCollapsibleButton"]


class TestChoices:
    """Values in Choices.py are the engine's names."""

    def test_those_of_the_librarys_tables_are_these_in_their_order(self):
        from SphericalRegLib.app.panel.methods import LEVELS, METHODS, optimizer_choices, similarity_choices

        assert tuple(choices_of("Method").values()) == METHODS
        assert tuple(choices_of("Similarity").values()) == similarity_choices()
        assert tuple(choices_of("Optimizer").values()) == optimizer_choices()
        assert tuple(choices_of("Levels").values()) == tuple(LEVELS)

    def test_a_scene_finds_them_under_the_names_that_scenes_have_always_had(self):
        assert set(choices_of("Method")) == {"AUTOMATIC", "CURRENT_POSE", "LANDMARKS", "SEARCH"}
        assert set(choices_of("Similarity")) == {
            "DEFAULT",
            "TONE_FREE",
            "GRADIENT_NCC",
            "LOCAL_NCC",
            "NCC",
            "MUTUAL_INFORMATION",
            "PATCH_NCC",
            "MIXED",
            "LEARNED_FIRST",
        }
        assert set(choices_of("Optimizer")) == {
            "DEFAULT",
            "LEVENBERG_MARQUARDT",
            "ADAM",
            "GRADIENT_DESCENT",
            "LBFGS",
            "NELDER_MEAD",
            "BOBYQA",
            "CMA_ES",
        }
        assert set(choices_of("Levels")) == {"DEFAULT", "FAST", "FINE"}

    def test_labels_are_the_tables_titles(self):
        from SphericalRegLib.optimization.table import OPTIMIZERS
        from SphericalRegLib.similarity.table import SIMILARITIES

        for kind, table in (("Similarity", SIMILARITIES), ("Optimizer", OPTIMIZERS)):
            labels = labels_of(kind)
            assert {name: labels[name] for name in table} == {name: entry.title for name, entry in table.items()}
        assert list(labels_of("Levels").values()) == ["Default", "Fast (96 pixels)", "Fine (256 pixels)"]
        assert labels_of("Similarity")["learned, then default"] == "Learned, then default"

    def test_a_method_that_nobody_has_found_words_for_is_offered_all_the_same(self):
        module = choices()
        (member,) = module._offered(module._Method, "Method", ["from afar"])
        assert (member.name, member.label(), member.hint()) == ("FROM_AFAR", "From afar", "")
        assert all(one.hint() for one in module.Method)

    def test_a_landscape_offers_every_similarity(self, widgets):
        from SphericalRegLib.similarity.table import LEARNED, SIMILARITIES

        boxes = {property_of(element, "similarity"): property_of(element, "text") for element in widgets.values()}
        boxes.pop(None)
        learned = boxes.pop(LEARNED)
        assert "learned" in learned
        assert boxes == {name: entry.title for name, entry in SIMILARITIES.items()}
        assert set(stand_in().comparedSimilarities) <= set(SIMILARITIES)

    def test_presets(self):
        from SphericalRegLib.app.panel.geometry_fields import ANGLES, AUTOMATIC
        from SphericalRegLib.geometry.carm import PRESETS

        assert set(choices_of("Preset").values()) == {AUTOMATIC, ANGLES, *PRESETS}

    def test_tones(self):
        from SphericalRegLib.imaging.tone import TONES

        assert set(choices_of("Tone").values()) == set(TONES)

    def test_pose_parameters(self):
        from SphericalRegLib.landscape import PARAMETERS

        assert tuple(choices_of("PoseParameter").values()) == tuple(PARAMETERS)

    def test_a_landscapes_axes_are_called_what_the_panel_calls_the_parameters(self):
        from SphericalRegLib.app.jobs.landscape_job import axis, display_axis

        for value, label in labels_of("PoseParameter").items():
            name, unit, _values = display_axis(axis(value, 5.0, 3))
            assert label.lower() == f"{name} ({unit})"

    def test_overlay_modes(self):
        tree = ast.parse((MODULE.parent / "SphericalRegLib" / "scene" / "overlay.py").read_text(encoding="utf-8"))
        mode = next(
            node for node in ast.walk(tree) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "Mode"
        )
        assert list(choices_of("OverlayMode").values()) == ast.literal_eval(
            ast.unparse(mode.value).removeprefix("Literal")
        )


def test_the_stand_in_has_every_field():
    made = stand_in()
    assert set(vars(made)) == set(fields_of("SphericalRegParameterNode"))
    assert made.method.value == "automatic"
    assert made.geometry1.tone.value == "attenuation"
