"""How long a click waits for its mask: `python -m benchmarks.click_latency`.

The whole service, asked over its socket: a photo of 1024 x 768 pixels is predicted as Label Studio
does when a task is opened, then clicked on. Wall time, so the machine should be idle; beside it the
CPU time that the service spent, which a busy machine does not stretch.
"""

import argparse
import base64
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
CONFIG = """<View><Image name="image" value="$image"/>
<BrushLabels name="tag" toName="image"><Label value="Rocket"/><Label value="Sky"/></BrushLabels>
<KeyPointLabels name="kp" toName="image" smart="true"><Label value="Rocket"/></KeyPointLabels>
</View>"""


def photo_uri(width: int, height: int) -> str:
    buffer = io.BytesIO()
    Image.fromarray(data.rocket()).resize((width, height)).save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def start(folder: str, extra: dict[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "DATA_DIR": folder, **extra}
    command = [sys.executable, "-m", "backend", "serve"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    return process, f"http://127.0.0.1:{port}"


def wait_until_ready(url: str) -> None:
    while True:
        try:
            if requests.get(url + "/ready", timeout=60).status_code == 200:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.2)


def click(x: float, y: float, number: int) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.2, "keypointlabels": ["Rocket"]}
    about = {"type": "keypointlabels", "from_name": "kp", "to_name": "image", "id": str(number)}
    return {**about, "is_positive": number % 3 != 2, "value": value}


def cpu_s(process: "subprocess.Popen[bytes]") -> float:
    """CPU seconds of the service, its worker included."""
    pids = [process.pid]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ticks = 0
    for pid in [*pids, *map(int, children)]:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clicks", type=int, default=15)
    options.add_argument("--width", type=int, default=1024)
    options.add_argument("--height", type=int, default=768)
    chosen = options.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        process, url = start(folder, {})
        try:
            wait_until_ready(url)
            task = {"id": 1, "data": {"image": photo_uri(chosen.width, chosen.height)}}
            session = requests.Session()

            def ask(*prompts: dict[str, Any]) -> tuple[float, float]:
                context = {"result": list(prompts)} if prompts else None
                body: dict[str, Any] = {"tasks": [task], "label_config": CONFIG, "project": "1.1"}
                body |= {"params": {"login": None, "password": None, "context": context}}
                cpu, started = cpu_s(process), time.perf_counter()
                answer = session.post(url + "/predict", json=body, timeout=600)
                wall = time.perf_counter() - started
                answer.raise_for_status()
                (found,) = answer.json()["results"]
                assert "error" not in found, found["error"]
                return 1000 * wall, 1000 * (cpu_s(process) - cpu)

            opened = ask()
            places = rng.uniform(5, 95, (chosen.clicks, 2)).tolist()
            clicks = [click(x, y, n) for n, (x, y) in enumerate(places)]
            first = ask(clicks[0])
            times = [ask(*clicks[: n % 5 + 1]) for n in range(chosen.clicks)]
        finally:
            process.terminate()
            process.wait(60)
    print(f"{chosen.width} x {chosen.height} pixels, 1 to 5 clicks at once, milliseconds\n")
    print("| | wall | CPU |\n|---|---|---|")
    print(f"| opening the task | {opened[0]:.0f} | {opened[1]:.0f} |")
    print(f"| the first click | {first[0]:.0f} | {first[1]:.0f} |")
    wall, cpu = zip(*times, strict=True)
    print(f"| a click, median | {statistics.median(wall):.0f} | {statistics.median(cpu):.0f} |")
    print(f"| a click, slowest | {max(wall):.0f} | {max(cpu):.0f} |")


if __name__ == "__main__":
    main()
