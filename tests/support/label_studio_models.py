"""Label Studio's page of a project's models, and its data manager, as a person uses them."""

import json
import re
from typing import Any

CARD = ".lsf-backend-card"
DIALOG = ".lsf-modal-ls"


class ModelsPage:
    """*Settings > Model* of one project."""

    def __init__(self, page: Any, url: str, project: int) -> None:
        self.page = page
        self.url, self.project = url, project

    def open(self) -> "ModelsPage":
        self.page.goto(f"{self.url}/projects/{self.project}/settings/ml", wait_until="commit")
        return self

    def connect(self, backend_url: str, extra_params: str = "") -> str:
        """Fill in *Connect Model*; all that the page says then, or "" once it is connected."""
        self.open()
        self.page.locator("button", has_text="Connect Model").first.click()
        self.page.fill("input[name=title]", "Firstpass")
        self.page.fill("input[name=url]", backend_url)
        self.page.fill("textarea[name=extra_params]", extra_params)
        with self.page.expect_response(is_connection) as waited:
            self.page.locator("button", has_text="Validate and Save").click()
        if waited.value.ok:
            self.page.locator("text=Connected").first.wait_for()
            return ""
        self.page.locator("text=Runtime error").first.wait_for()
        text: str = self.page.inner_text("body")
        return text

    def card(self) -> str:
        """The text of the model's card, with its state."""
        self.open()
        self.page.locator(CARD).first.wait_for()
        text: str = self.page.locator(CARD).first.inner_text()
        return text

    def send_test_request(self) -> str:
        """What the dialog shows as the response, the status and JSON below it, or the error."""
        self.open()
        self.page.get_by_label("Machine learning model options").click()
        self.page.get_by_text("Send Test Request").first.click()
        with self.page.expect_response(lambda one: "/predict/test" in one.url):
            self.page.locator(f"{DIALOG} button", has_text="Send Request").click()
        response = self.page.locator(f"{DIALOG} pre").nth(1).filter(has_text=re.compile(r"\d"))
        error = self.page.locator(DIALOG, has_text="Runtime error")
        found = response.or_(error).first
        found.wait_for()
        text: str = found.inner_text()
        return text

    def test_item(self) -> dict[str, Any]:
        """The item of the one task of a test request that was answered."""
        status, _, body = self.send_test_request().partition("\n")
        assert status == "200", body
        (item,) = json.loads(body)
        return dict(item)

    def open_data_manager(self) -> None:
        self.page.goto(f"{self.url}/projects/{self.project}/data", wait_until="commit")
        self.page.get_by_text("Label All Tasks").wait_for()

    def retrieve_predictions(self) -> None:
        """Select all tasks in the data manager and have their predictions retrieved."""
        self.open_data_manager()
        self.page.locator("input[type=checkbox]").first.dispatch_event("click")
        self.page.get_by_role("button", name="Actions").click()
        self.page.get_by_text("Retrieve Predictions").click()
        with self.page.expect_response(is_retrieval):
            self.page.locator(f"{DIALOG} button", has_text="OK").click()

    def wait_for_predictions(self, count: int) -> None:
        """The foot of the data manager counts so many."""
        self.page.get_by_text(f"Predictions: {count}", exact=True).wait_for()


def is_connection(response: Any) -> bool:
    return response.request.method == "POST" and response.url.rstrip("/").endswith("/api/ml")


def is_retrieval(response: Any) -> bool:
    return "retrieve_tasks_predictions" in response.url and response.request.method == "POST"
