"""What belongs to what in the scene: names, references between nodes, attributes, folders, removal."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import slicer

from SphericalRegLib.errors import InputError
from SphericalRegLib.text_files import parse_json

# Slicer's classes carry no type information.
Node: TypeAlias = Any
Scene: TypeAlias = Any

PREFIX = "SphericalReg."


def scene_of(node: Node) -> Scene:
    """The scene that a node belongs to.

    Raises:
        InputError: for None, or a node that was removed from its scene.
    """
    scene = None if node is None else node.GetScene()
    if scene is None:
        what = "Nothing was chosen" if node is None else f"'{node.GetName()}' was deleted from the scene"
        raise InputError(f"{what}: choose a node that is there.")
    return scene


def require(node: Node, class_name: str, what: str) -> None:
    """Check a node that a user chose.

    Raises:
        InputError: for a node that is missing, outside of any scene, or of another class.
    """
    if node is None:
        raise InputError(f"No {what} was chosen: choose one.")
    scene_of(node)
    if not node.IsA(class_name):
        raise InputError(
            f"'{node.GetName()}' ({node.GetNodeTagName()}) cannot be used here: choose a node of the kind {what}."
        )


def unique_name(scene: Scene, name: str) -> str:
    """The name, or with the first number from 2 that no node of the scene has: readable, not ``name_1``."""
    number, found = 1, name
    while scene.GetFirstNodeByName(found) is not None:
        number += 1
        found = f"{name} ({number})"
    return found


def add_node(scene: Scene, class_name: str, name: str) -> Node:
    """A new node with its default display nodes where it has any."""
    node = scene.AddNewNodeByClass(class_name, name)
    if node is None:
        raise InputError(f"The scene refused a {class_name} named '{name}'.")
    if node.IsA("vtkMRMLDisplayableNode"):
        node.CreateDefaultDisplayNodes()
    return node


def add_hidden(scene: Scene, class_name: str, name: str) -> Node:
    """A new node that no selector lists: selectors decide when it enters the scene, and not again."""
    node = scene.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetName(name)
    node.SetHideFromEditors(True)
    return scene.AddNode(node)


def set_reference(node: Node, role: str, other: Node | None) -> None:
    """Let a node refer to another one under a role of ours; None ends that. Saved with the scene."""
    node.SetNodeReferenceID(PREFIX + role, None if other is None else other.GetID())


def reference(node: Node, role: str) -> Node | None:
    """The node referred to under a role of ours, or None where there is none, or it was deleted."""
    return node.GetNodeReference(PREFIX + role)


def mark_filled(node: Node, role: str) -> None:
    """Remember that a role was filled: MRML forgets the reference when the node is deleted."""
    set_data(node, "Filled", sorted({role, *(get_data(node, "Filled") or [])}))


def set_data(node: Node, name: str, value: Any) -> None:
    """Keep numbers, texts, lists and dictionaries with a node, as JSON with every digit. Saved with the scene."""
    node.SetAttribute(PREFIX + name, json.dumps(value, ensure_ascii=True, allow_nan=False))


def get_data(node: Node, name: str) -> Any:
    """What :func:`set_data` kept; None where nothing was.

    Raises:
        InputError: where someone else wrote into the attribute.
    """
    text = node.GetAttribute(PREFIX + name)
    if text is None:
        return None
    try:
        return parse_json(text, f"The attribute {PREFIX + name}")
    except InputError as error:
        raise InputError(
            f"The attribute {PREFIX + name} of '{node.GetName()}' cannot be read ({error}): the scene was changed by "
            "another program. Register again."
        ) from None


def nodes_with(scene: Scene, class_name: str, attribute: str) -> list[Node]:
    """The scene's nodes of a class (or derived from it) that have an attribute of ours, in the scene's order."""
    count = scene.GetNumberOfNodesByClass(class_name)
    found = (scene.GetNthNodeByClass(index, class_name) for index in range(count))
    return [node for node in found if node.GetAttribute(PREFIX + attribute) is not None]


def put_in_folder(node: Node, folder_name: str, members: list[Node]) -> None:
    """Put a node and its members into one folder of the subject hierarchy, made anew if ``node`` lies in none."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene_of(node))
    folder = hierarchy.GetItemParent(_item(hierarchy, node))
    if folder in (hierarchy.GetInvalidItemID(), hierarchy.GetSceneItemID()):
        folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), folder_name)
    for member in [node, *members]:
        hierarchy.SetItemParent(_item(hierarchy, member), folder)


def remove_folder(node: Node) -> None:
    """Remove the folder that a node lies in, if nothing else is in it. The node itself stays."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene_of(node))
    item = _item(hierarchy, node)
    folder = hierarchy.GetItemParent(item)
    if folder in (hierarchy.GetInvalidItemID(), hierarchy.GetSceneItemID()):
        return
    hierarchy.SetItemParent(item, hierarchy.GetSceneItemID())
    if hierarchy.GetNumberOfItemChildren(folder) == 0:
        hierarchy.RemoveItem(folder)


def _item(hierarchy: Node, node: Node) -> int:
    """A node's item: the application makes one for every node by itself, slicer-core does not."""
    item = hierarchy.GetItemByDataNode(node)
    if item == hierarchy.GetInvalidItemID():
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)
    return int(item)


def remove_node(node: Node | None) -> None:
    """Remove a node with the display and storage nodes that only it uses; nothing for None or a removed node."""
    if node is None or node.GetScene() is None:
        return
    scene = node.GetScene()
    helpers = []
    if node.IsA("vtkMRMLDisplayableNode"):
        helpers += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        helpers += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    scene.RemoveNode(node)
    for helper in helpers:
        if helper is not None and helper.GetScene() is not None:
            scene.RemoveNode(helper)
