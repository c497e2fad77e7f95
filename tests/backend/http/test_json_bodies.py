"""Answers as JSON."""

CONFIG = """<View><Image name="image" value="$image"/><PolygonLabels name="tag" toName="image">
<Label value="Cat"/><Label value="Dog"/></PolygonLabels></View>"""


def test_points_of_polygons_are_pairs_of_numbers(client, photo_uri):
    body = {"tasks": [{"id": 1, "data": {"image": photo_uri}}], "label_config": CONFIG}
    (prediction,) = client.post("/predict", json=body).json["results"]
    points = [point for region in prediction["result"] for point in region["value"]["points"]]
    assert points
    assert all(len(point) == 2 and 0 <= min(point) <= max(point) <= 100 for point in points)
