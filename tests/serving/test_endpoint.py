import asyncio


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 40))


def test_an_endpoint_comes_into_service_within_two_seconds(house):
    async def scenario():
        async with house.serving():
            await house.create("first", house.plan(VERSION=7))
            await house.until_status("first", "InService", 2.0)
            assert (await house.who("first"))[0] == "7"
        body = house.resources.get(house.key("first")).body
        (variant,) = body["ProductionVariants"]
        assert variant["CurrentInstanceCount"] == variant["DesiredInstanceCount"] == 1
        assert "FailureReason" not in body

    run(scenario())
