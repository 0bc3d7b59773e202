"""Weight graphs: partitions and their scores, by hand and against scikit-learn and networks of scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import bmat, csr_array
from scipy.sparse.csgraph import laplacian
from sklearn.cluster import spectral_clustering
from sklearn.metrics import adjusted_rand_score

from modclaims.stats.maps.weight_graphs import WeightGraph, clustered, modularity, n_cut, parts_of, shuffled


def modules(strength, width=12, neurons=24, parts=3, seed=0):
    """Sizes of weights, those inside a part larger; parts are dealt in turn."""
    rng = np.random.default_rng(seed)
    writes, reads = (np.abs(rng.standard_normal((neurons, width))) for _ in range(2))
    inside = np.arange(neurons)[:, None] % parts == np.arange(width) % parts
    return WeightGraph.of(*(w * np.where(inside, 1 + strength, 1) for w in (writes, reads)))


def whole(graph):
    """The adjacency matrix of both sides."""
    edges = csr_array(graph.edges.astype(float))
    return bmat([[None, edges], [edges.T, None]]).tocsr()


def labelled(graph, parts):
    return np.concatenate(parts_of(graph.embedding(parts), parts))


def test_scores_of_two_pairs_by_hand():
    # two edges of weight 1 inside the parts and one of weight 2 between: volumes 4 and 4, insides 2 and 2
    graph = WeightGraph(np.array([[1, 2], [0, 1]], dtype=np.float32))
    first, second = np.array([0, 1]), np.array([0, 1])
    cut, q = graph.scores(first, second)
    assert cut == pytest.approx(2 / 4 + 2 / 4)
    assert q == pytest.approx(2 * (2 / 8 - (4 / 8) ** 2))
    assert graph.scores(np.zeros(2, int), np.zeros(2, int)) == pytest.approx((0.0, 0.0))


def test_an_empty_part_counts_as_wholly_cut_and_an_empty_graph_has_no_modularity():
    assert n_cut(np.array([2.0, 0.0]), np.array([4.0, 0.0])) == pytest.approx(1.5)
    assert modularity(np.zeros(2), np.zeros(2)) == 0.0


def test_modularity_is_that_of_its_definition_pair_by_pair():
    graph = modules(0.7)
    labels = labelled(graph, 3)
    a = whole(graph).toarray()
    degree, total = a.sum(axis=1), a.sum()
    same = labels[:, None] == labels
    by_hand = ((a - np.outer(degree, degree) / total) * same).sum() / total
    assert graph.scores(labels[:24], labels[24:])[1] == pytest.approx(by_hand, abs=1e-6)


def test_eigenvectors_are_those_of_the_normalised_laplacian():
    graph = modules(0.5)
    lap = laplacian(whole(graph), normed=True).toarray()
    values, vectors = np.linalg.eigh(lap)
    mine = np.concatenate(graph.embedding(3)).astype(float)
    mine /= np.linalg.norm(mine, axis=0)
    assert np.abs(mine.T @ vectors[:, :3]) == pytest.approx(np.eye(3), abs=1e-4)
    assert values[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("parts", [3, 4])
@pytest.mark.parametrize("assign", ["kmeans", "cluster_qr"])
def test_planted_parts_are_found_as_scikit_learn_finds_them(parts, assign):
    graph = modules(4.0, width=24, neurons=48, parts=parts)
    theirs = spectral_clustering(whole(graph), n_clusters=parts, assign_labels=assign, random_state=0)
    mine = labelled(graph, parts)
    assert adjusted_rand_score(mine, theirs) == 1.0
    assert adjusted_rand_score(mine, np.concatenate([np.arange(48) % parts, np.arange(48) % parts])) == 1.0


def test_cuts_of_noise_are_no_worse_than_scikit_learns():
    graph = modules(0.0, width=48, neurons=96)
    theirs = spectral_clustering(whole(graph), n_clusters=6, random_state=0)
    assert clustered(graph, (6,))[0, 0] <= 1.01 * graph.scores(theirs[:96].astype(int), theirs[96:].astype(int))[0]


def test_either_side_may_be_the_smaller_one():
    graph = modules(1.0, width=24, neurons=16)
    turned = WeightGraph(np.ascontiguousarray(graph.edges.T))
    assert clustered(graph, (3,)) == pytest.approx(clustered(turned, (3,)), abs=1e-5)


def test_units_without_edges_change_no_score():
    graph = modules(1.0)
    larger = WeightGraph(np.pad(graph.edges, ((0, 2), (0, 3))))
    assert clustered(larger, (3,)) == pytest.approx(clustered(graph, (3,)), abs=1e-5)
    assert clustered(WeightGraph(np.zeros((3, 4), dtype=np.float32)), (2, 3)).tolist() == [[2.0, 0.0], [3.0, 0.0]]


def test_equal_weights_have_one_score_and_no_warning():
    graph = WeightGraph(np.ones((6, 8), dtype=np.float32))
    found = clustered(graph, (2, 3))
    assert np.isfinite(found).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.integers(2, 5))
def test_scores_know_no_scale_and_lie_between_their_ends(seed, scale, parts):
    graph = modules(0.5, seed=seed)
    cut, q = clustered(graph, (parts,))[0]
    assert 0 <= cut <= parts
    assert -1 <= q <= 1
    scaled = WeightGraph((scale * graph.edges).astype(np.float32))
    first, second = parts_of(graph.embedding(parts), parts)
    assert scaled.scores(first, second) == pytest.approx(graph.scores(first, second), abs=1e-5)


@pytest.mark.parametrize("kind", ["matrix", "nonzero", "neuron"])
def test_shuffles_keep_what_they_say_they_keep(kind):
    rng = np.random.default_rng(3)
    matrix = np.abs(rng.standard_normal((10, 6)))
    matrix[rng.random(matrix.shape) < 0.4] = 0
    found = shuffled(matrix, rng.permutation(matrix.size), kind)
    assert np.array_equal(np.sort(found, axis=None), np.sort(matrix, axis=None))
    assert not np.array_equal(found, matrix)
    assert np.array_equal(found == 0, matrix == 0) == (kind == "nonzero")
    assert np.array_equal(np.sort(found, axis=1), np.sort(matrix, axis=1)) == (kind == "neuron")


def test_without_zeros_shuffling_what_is_not_zero_is_shuffling_all():
    rng = np.random.default_rng(3)
    matrix, order = 1 + rng.random((10, 6)), rng.permutation(60)
    assert np.array_equal(shuffled(matrix, order, "nonzero"), shuffled(matrix, order, "matrix"))


def test_every_order_of_what_is_not_zero_is_as_likely():
    matrix = np.array([[1.0, 0.0], [2.0, 3.0]])
    rng = np.random.default_rng(0)
    seen = [tuple(shuffled(matrix, rng.permutation(4), "nonzero").ravel()[[0, 2, 3]]) for _ in range(3000)]
    counts = [seen.count(order) for order in sorted(set(seen))]
    assert len(counts) == 6
    assert min(counts) > 400
