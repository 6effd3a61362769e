"""The server's routes over one generator."""
import asyncio
import contextlib
import time

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, StreamingResponse

from .adapter import verified_adapter
from .dispatcher import Dispatcher
from .errors import BadRequest, install_errors
from .gate import Gate
from .replies import Reply
from .requests import ChatRequest, CompletionRequest, GenerateRequest, LoadRequest


def create_app(settings, generator, deadline=None):
    """The ASGI application. `deadline` is when the server leaves, on the monotonic clock."""
    dispatcher = Dispatcher(generator, settings.waiting)
    born = int(time.time())

    @contextlib.asynccontextmanager
    async def lifespan(_app):
        yield
        dispatcher.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    install_errors(app)
    app.add_middleware(Gate, key_sha256=settings.key_sha256)

    async def begin(order, request):
        """The answer in its place of the queue, given up as soon as its client leaves."""
        dispatcher.refuse_when_full()
        if order.max_tokens > settings.max_tokens:
            raise BadRequest(422, 'too_many_tokens', 'at most %d tokens are generated here'
                             % settings.max_tokens, 'max_tokens')
        try:
            count = await asyncio.to_thread(generator.count_tokens, order)
        except ValueError as error:
            raise BadRequest(422, 'invalid_request', str(error), 'messages')
        if count + order.max_tokens > generator.context:
            raise BadRequest(422, 'context_length_exceeded', 'the prompt has %d tokens: with %d to '
                             'generate that is more than the %d of the model'
                             % (count, order.max_tokens, generator.context), 'messages')
        answer = dispatcher.submit(order)
        watch = asyncio.create_task(leave_with_client(request, answer))
        answer.task.add_done_callback(lambda _task: watch.cancel())
        return answer

    async def reply(body, request, chat):
        if body.model != settings.name:
            raise BadRequest(404, 'model_not_found', 'there is no such model: /v1/models tells',
                             'model')
        answer = await begin(body.as_order(settings.max_tokens), request)
        made = Reply(answer, settings.name, chat)
        if not body.stream:
            return JSONResponse(made.whole(await text_of(answer)))
        return StreamingResponse(made.events(body.with_usage()), media_type='text/event-stream',
                                 headers={'cache-control': 'no-store', 'x-accel-buffering': 'no'})

    @app.post('/v1/chat/completions')
    async def chat_completions(body: ChatRequest, request: Request):
        return await reply(body, request, True)

    @app.post('/v1/completions')
    async def completions(body: CompletionRequest, request: Request):
        return await reply(body, request, False)

    @app.post('/generate')
    async def generate(body: GenerateRequest, request: Request):
        return {'text': await text_of(await begin(body.as_order(settings.max_tokens), request))}

    @app.post('/adapters/load')
    async def load_adapter(body: LoadRequest):
        """Takes the adapter when every file of it is what its manifest says; else keeps the old."""
        folder = settings.adapter
        if body.version is not None:
            folder = generator.adapter.folder.parent / body.version
        adapter = await asyncio.to_thread(verified_adapter, folder, body.sha256)
        await dispatcher.switch(adapter)
        return {'adapter': about(adapter)}

    @app.get('/v1/models')
    async def models():
        return {'object': 'list', 'data': [model()]}

    @app.get('/v1/models/{name}')
    async def one_model(name: str):
        if name != settings.name:
            raise BadRequest(404, 'model_not_found', 'there is no such model', 'model')
        return model()

    def model():
        return {'id': settings.name, 'object': 'model', 'created': born, 'owned_by': 'rodizio',
                'root': generator.adapter.base, 'adapter': about(generator.adapter)}

    @app.get('/health')
    async def health():
        """Never asks the model: all of it is known already."""
        left = None if deadline is None else round(max(0.0, deadline - time.monotonic()), 1)
        return JSONResponse(
            {'status': 'failing' if dispatcher.failed else 'ok', 'model': settings.name,
             'base': generator.adapter.base, 'adapter_loaded': True,
             'adapter': about(generator.adapter), 'generation': generator.adapter.generation,
             'free_vram_bytes': generator.free_bytes, 'queue': dispatcher.state(),
             'seconds_left': left},
            503 if dispatcher.failed else 200, headers={'cache-control': 'no-store'})

    return app


def about(adapter):
    return {'version': adapter.version, 'sha256': adapter.sha256, 'run': adapter.run,
            'step': adapter.step}


async def text_of(answer):
    return ''.join([piece async for piece in answer.pieces()])


async def leave_with_client(request, answer):
    """Once the body is read, all that can still come from a client is that it has gone."""
    while (await request.receive())['type'] != 'http.disconnect':
        pass
    answer.leave()
