"""From the nodes and numbers of the panel to what the engine takes. No Qt; the engine is imported when it is needed."""

import pathlib
import re

# Of the panel's presets those that ``sphericalreg train`` knows.
TRAINED_PRESETS = ("AP", "PA", "left lateral", "right lateral")


class Snapshot:
    """The choices at the moment when Register was pressed: what is changed afterwards belongs to the next run.

    :param parameters: the parameter node, or anything with its fields.
    """

    NODES = (
        "ctVolume", "segmentation", "xray1Volume", "xray2Volume", "ctLandmarks", "xray1Landmarks", "xray2Landmarks",
        "truth", "currentPose",
    )  # fmt: skip

    def __init__(self, parameters):
        for name in self.NODES:
            setattr(self, name, getattr(parameters, name))
        self.segments = list(parameters.segments) if parameters.segmentation else []
        self.fields = [viewFields(parameters.geometry1), viewFields(parameters.geometry2)]
        self.tones = [parameters.geometry1.tone.value, parameters.geometry2.tone.value]
        self.calibrationFile = calibrationPath(parameters)
        self.preset = parameters.preset.value
        self.method = parameters.method.value
        self.device = parameters.device
        self.modelFile = parameters.modelFile
        self.advanced = {
            "similarity": parameters.similarity.value,
            "optimizer": parameters.optimizer.value,
            "levels": parameters.levels.value,
            "iterations": parameters.iterations,
            "seed": parameters.seed,
        }

    @property
    def xrayVolumes(self):
        """One or two volume nodes."""
        return [node for node in (self.xray1Volume, self.xray2Volume) if node is not None]

    @property
    def whatIsProjected(self):
        """The arguments of ``Preparation.scanAndVolume``."""
        return self.ctVolume, self.segmentation, self.segments, self.device

    @property
    def nodesInUse(self):
        """Nodes whose removal stops a run."""
        return [node for node in (getattr(self, name) for name in self.NODES) if node is not None]


def calibrationPath(parameters):
    """The calibration file, or None where none was chosen."""
    return pathlib.Path(parameters.calibrationFile) if parameters.calibrationFile else None


def calibratedViews(path):
    """The views of a calibration file."""
    from SphericalRegLib.io.calibration_files import read_autoscoper, read_json

    return read_json(path).views if path.suffix.lower() == ".json" else [read_autoscoper(path)]


def viewFields(geometry):
    """The engine's ``ViewFields`` of a geometry as typed."""
    from SphericalRegLib.app.geometry_fields import ViewFields

    return ViewFields(
        sdd=geometry.sdd,
        sad=geometry.sad,
        row_mm=geometry.rowSpacing,
        column_mm=geometry.columnSpacing,
        off_center=(geometry.offCenterColumns, geometry.offCenterRows),
        primary_deg=geometry.primaryAngle,
        secondary_deg=geometry.secondaryAngle,
        rotation_deg=geometry.rotation,
        mirrored=geometry.mirrored,
        angles_known=geometry.anglesKnown,
    )


def fillGeometry(geometry, fields):
    """Type ``ViewFields`` into a geometry."""
    geometry.sdd, geometry.sad = fields.sdd, fields.sad
    geometry.rowSpacing, geometry.columnSpacing = fields.row_mm, fields.column_mm
    geometry.offCenterColumns, geometry.offCenterRows = fields.off_center
    geometry.primaryAngle, geometry.secondaryAngle = fields.primary_deg, fields.secondary_deg
    geometry.rotation = fields.rotation_deg
    geometry.mirrored, geometry.anglesKnown = fields.mirrored, fields.angles_known


def imageSize(volumeNode):
    """(rows, columns) of an image node, or None where it has no pixels."""
    if volumeNode is None or volumeNode.GetImageData() is None:
        return None
    columns, rows, _slices = volumeNode.GetImageData().GetDimensions()
    return rows, columns


class Preparation:
    """Converts, and keeps the converted CT until it or what was chosen of it changes."""

    def __init__(self):
        self._key = None
        self._kept = None

    def forget(self):
        """Let the converted CT go: the scene was closed."""
        self._key = self._kept = None

    def scanAndVolume(self, ct, segmentation, segments, device):
        """(CT, attenuation on the chosen device); of the segments alone where there are any.

        :param ct: scalar volume node.
        :param segmentation: node, or None.
        :param segments: IDs of its segments.
        :param device: by name.
        """
        from SphericalRegLib.cli.device import choose_device
        from SphericalRegLib.imaging.volume import to_volume
        from SphericalRegLib.scene.ct import ct_from_volume

        key = _identity(ct, segmentation, segments, device)
        if key != self._key:
            chosen = segments or None
            scan = ct_from_volume(ct, segmentation, chosen)
            labels = sorted(scan.label_names) if chosen else None
            volume = to_volume(scan, labels=labels).to(choose_device(device))
            self._key, self._kept = key, (scan, volume)
        return self._kept

    def xrays(self, snapshot):
        """The X-rays with their views in one rig."""
        from SphericalRegLib.app.geometry_fields import nominal, views_of
        from SphericalRegLib.errors import InputError
        from SphericalRegLib.scene.xray import xray_from_volume

        volumes = snapshot.xrayVolumes
        if not volumes:
            raise InputError("There is no X-ray: choose one under Inputs.")
        if snapshot.xray1Volume is None:
            raise InputError("X-ray 2 is chosen and X-ray 1 is not: choose the first one first.")
        if snapshot.calibrationFile is not None:
            views = self._calibrated(snapshot.calibrationFile, len(volumes))
            geometries = [None] * len(volumes)
        else:
            fields = snapshot.fields[: len(volumes)]
            sizes = [imageSize(node) or (0, 0) for node in volumes]
            views = views_of(fields, sizes, [node.GetName() for node in volumes])
            geometries = [nominal(one, view) for one, view in zip(fields, views, strict=True)]
        return [
            xray_from_volume(node, view, tone, geometry=geometry)
            for node, view, tone, geometry in zip(
                volumes, views, snapshot.tones[: len(volumes)], geometries, strict=True
            )
        ]

    def _calibrated(self, path, count):
        from SphericalRegLib.errors import InputError

        views = calibratedViews(path)
        if len(views) != count:
            raise InputError(
                f"{path.name} holds {len(views)} views for {count} X-rays: choose a file with one for each, or none."
            )
        return views

    def landmarks(self, snapshot):
        """({name: world mm}, for each view {name: pixel})."""
        from SphericalRegLib.scene.landmarks import landmarks_from_markups, pixels_from_markups

        points = landmarks_from_markups(snapshot.ctLandmarks) if snapshot.ctLandmarks else {}
        images = snapshot.xrayVolumes
        marked = (snapshot.xray1Landmarks, snapshot.xray2Landmarks)[: len(images)]
        pixels = [
            pixels_from_markups(marks, image) if marks else {} for marks, image in zip(marked, images, strict=True)
        ]
        return points, pixels

    def matchedLandmarks(self, snapshot):
        """As :meth:`landmarks`; names in an X-ray that the CT lacks are an error here, before any work is spent."""
        from SphericalRegLib.initialization.landmarks import match_by_name

        points, pixels = self.landmarks(snapshot)
        for seen in pixels:
            match_by_name(points, seen)
        return points, pixels

    def pose(self, node):
        """(4, 4) rig_from_world of a transform node, or None."""
        from SphericalRegLib.scene.poses import pose_from_transform

        return None if node is None else pose_from_transform(node)

    def case(self, snapshot, volume, xrays, method=None, whole=None, model=None, landmarks=None):
        """What is known of the pose, for the engine; landmarks that were not read yet are read."""
        from SphericalRegLib.app.cases import case_for

        points, pixels = landmarks or self.landmarks(snapshot)
        return case_for(
            method or snapshot.method,
            volume,
            xrays,
            whole=whole,
            model=model,
            preset=snapshot.preset,
            current=self.pose(snapshot.currentPose),
            points=points,
            pixels=pixels,
        )

    def viewPose(self, snapshot, volume, xrays):
        """(4, 4) rig_from_world of the chosen view."""
        from SphericalRegLib.initialization import starts_of
        from SphericalRegLib.registration.systems import SYSTEMS

        case = self.case(snapshot, volume, xrays, method="search")
        return starts_of(SYSTEMS["search"].initializer, case).poses[0]

    def inputs(self, snapshot, landmarks=None):
        """All that a registration job takes.

        :param landmarks: as :meth:`matchedLandmarks` gives them; read here where they are not given.
        """
        from dataclasses import replace

        from SphericalRegLib.app.methods import LEARNED_FIRST, Advanced, system_for
        from SphericalRegLib.app.registration_job import Inputs
        from SphericalRegLib.errors import InputError
        from SphericalRegLib.imaging.volume import to_volume
        from SphericalRegLib.networks.model import load_model
        from SphericalRegLib.registration import Conditions

        if snapshot.advanced["similarity"] == LEARNED_FIRST and not snapshot.modelFile:
            raise InputError(
                "The learned similarity needs a model: choose one under Model, or another similarity under Advanced."
            )
        landmarks = landmarks or self.matchedLandmarks(snapshot)
        scan, volume = self.scanAndVolume(*snapshot.whatIsProjected)
        xrays = self.xrays(snapshot)
        bones, device = bool(snapshot.segments), volume.density.device
        model = load_model(snapshot.modelFile).to(device) if snapshot.modelFile else None
        # a model knows whole CTs
        whole = to_volume(replace(scan, labels=None)).to(device) if bones and model is not None else None
        advanced = Advanced(**snapshot.advanced)
        return Inputs(
            scan=scan,
            case=self.case(snapshot, volume, xrays, whole=whole, model=model, landmarks=landmarks),
            system=system_for(snapshot.method, bones, model is not None, advanced),
            conditions=Conditions(seed=advanced.seed),
            bones=sorted(scan.label_names.values()) if bones else None,
            truth=self.pose(snapshot.truth),
            points=self._targets(snapshot, scan, landmarks[0]),
        )

    def trainingFile(self, node, folder):
        """The file for training, which runs apart: the volume's own if it holds what the scene shows, else a copy.

        :param node: scalar volume node of the CT.
        :param folder: where a copy goes; made if it is not there.
        :returns: (path of the file, name for a model of this CT).
        """
        from SphericalRegLib.io.ct_file import write_ct
        from SphericalRegLib.scene.ct import ct_from_volume
        from SphericalRegLib.whole_file import whole_file

        storage = node.GetStorageNode()
        own = pathlib.Path(storage.GetFileName() or "") if storage is not None else pathlib.Path()
        if own.is_file() and not node.GetModifiedSinceRead() and node.GetParentTransformNode() is None:
            return own, own.name.split(".")[0]
        name = re.sub(r"[^\w-]+", "_", node.GetName()).strip("_") or "CT"
        copy = pathlib.Path(folder) / f"{name}_for_training.nrrd"
        with whole_file(copy) as path:
            write_ct(path, ct_from_volume(node))
        return copy, name

    def trainingOptions(self, snapshot):
        """What the panel knows of the X-rays that a model will meet, as options of the training: view and X-ray system.

        Only presets can be trained around: the choices "automatic" and the C-arm's own angles become AP.
        """
        options = {"preset": snapshot.preset if snapshot.preset in TRAINED_PRESETS else "AP"}
        fields, size = snapshot.fields[0], imageSize(snapshot.xray1Volume)
        if fields.sdd > fields.sad > 0:
            options |= {"sdd": fields.sdd, "sad": fields.sad}
        if size is not None and fields.row_mm > 0 and fields.column_mm > 0:
            options["detector_mm"] = max(size[0] * fields.row_mm, size[1] * fields.column_mm)
        return options

    def _targets(self, snapshot, scan, points):
        """(N, 3) points at which errors against the truth are told: those of bones, else landmarks, else the CT."""
        import numpy as np
        import torch

        from SphericalRegLib.errors import InputError

        if snapshot.truth is None or scan.labels is not None:
            return None
        if not points:
            raise InputError(
                "A true pose is chosen, but no points to tell errors at: choose bones or landmarks in the CT, or no "
                "true pose."
            )
        return torch.from_numpy(np.array(list(points.values())))


def _identity(ct, segmentation, segments, device):
    """What the converted CT depends on."""
    if ct is None:
        from SphericalRegLib.errors import InputError

        raise InputError("There is no CT: choose one under Inputs.")

    def stamp(node):
        if node is None:
            return None
        parent = node.GetParentTransformNode()
        image = node.GetImageData() if node.IsA("vtkMRMLVolumeNode") else node.GetSegmentation()
        return node.GetID(), node.GetMTime(), image.GetMTime() if image else 0, _chainTime(parent)

    return stamp(ct), stamp(segmentation), tuple(segments), device


def _chainTime(transformNode):
    """The latest change of a transform and of all that it hangs under."""
    latest = 0
    while transformNode is not None:
        transform = transformNode.GetTransformToParent()
        latest = max(latest, transformNode.GetMTime(), transform.GetMTime() if transform else 0)
        transformNode = transformNode.GetParentTransformNode()
    return latest
