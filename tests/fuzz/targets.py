"""All formats that are fuzzed, and their shares of the cases."""

import array_targets
import data_targets
import experiment_targets
import media_targets
import model_targets
import table_targets
from outcomes import Target

TARGETS = (
    Target("labels", 130, table_targets.clips, table_targets.labels),
    Target("manifest", 90, table_targets.clips, table_targets.manifests),
    Target("cmu", 70, table_targets.clips, table_targets.cmu_labels),
    Target("folds", 30, table_targets.clips, table_targets.folds),
    Target("npz", 110, array_targets.arrays, array_targets.npz),
    Target("npy", 80, array_targets.feature_folder, array_targets.npy),
    Target("mmsa", 110, array_targets.mmsa, array_targets.pickles),
    Target("csd", 60, array_targets.csd, array_targets.hdf5),
    Target("data", 110, data_targets.data, data_targets.folders),
    Target("yaml", 60, experiment_targets.files, experiment_targets.specifications),
    Target("results", 50, experiment_targets.results, experiment_targets.reports),
    Target("checkpoint", 30, model_targets.Trained, model_targets.checkpoints),
    Target("exported", 20, model_targets.Trained, model_targets.exported),
    Target("media", 50, media_targets.clips, media_targets.media),
)
