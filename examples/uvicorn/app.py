import fastapi
from fastapi.responses import PlainTextResponse

app = fastapi.FastAPI()


@app.get("/", response_class=PlainTextResponse)
def hello():
    return f"release 1, FastAPI {fastapi.__version__}\n"
