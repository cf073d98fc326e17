from wildsage.search.resource import most_resource


def test_the_most_resource_is_found_among_static_hyperparameters():
    assert most_resource({"num_epochs": "12", "k": "3"}) == 12
    assert most_resource({"n_epochs": "many"}) is None
    assert most_resource({"k": "3"}) is None
