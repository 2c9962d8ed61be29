from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from g4f_legacy import ChatCompletion

app = FastAPI()


@app.get("/ask")
async def ask(prompt: str) -> StreamingResponse:
    messages = [{"role": "user", "content": prompt}]
    tokens = ChatCompletion.create_async("falcon-7b", messages, "H2o", stream=True)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(tokens, media_type="text/plain; charset=utf-8", headers=headers)
