"""Where a LiteLLM model is served, and in which form the gateway has to ask there.

Law: a provider is located if it can be asked by passing requests on as they are, in OpenAI's form or in Anthropic's;
for the others a sentence says why not. Addresses are without the `/v1` that request paths bring along, except where it
is the whole path. No sentence quotes what the file says.
"""

from urllib.parse import urlsplit

import attrs

from engine.urls import normalise

_ANTHROPIC = "https://api.anthropic.com/v1"
_OLLAMA = "http://localhost:11434"
_HOSTED = {
    "openai": ("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "text-completion-openai": ("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "ai21": ("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    "ai21_chat": ("https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    "cerebras": ("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "codestral": ("https://codestral.mistral.ai/v1", "CODESTRAL_API_KEY"),
    "dashscope": ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "deepseek": ("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks_ai": ("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "groq": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "hyperbolic": ("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    "jina_ai": ("https://api.jina.ai/v1", "JINA_AI_API_KEY"),
    "meta_llama": ("https://api.llama.com/compat/v1", "LLAMA_API_KEY"),
    "mistral": ("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "moonshot": ("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "nebius": ("https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    "nvidia_nim": ("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "sambanova": ("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "together_ai": ("https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "voyage": ("https://api.voyageai.com/v1", "VOYAGE_API_KEY"),
    "xai": ("https://api.x.ai/v1", "XAI_API_KEY"),
}
"""Providers that speak OpenAI's wire under a path that ends in `/v1`, and the variable LiteLLM takes the key from."""
_SELF_HOSTED = {
    "custom_openai",
    "docker_model_runner",
    "hosted_vllm",
    "infinity",
    "litellm_proxy",
    "llamafile",
    "lm_studio",
    "openai_like",
    "vllm",
    "xinference",
}
_ELSEWISE = """
aleph_alpha azure_ai baseten bedrock bedrock_converse bytez clarifai cloudflare cohere cohere_chat databricks deepgram
deepinfra elevenlabs gemini github_copilot gigachat huggingface maritalk nlp_cloud oci palm perplexity petals predibase
replicate sagemaker sagemaker_chat snowflake triton vertex_ai vertex_ai_beta watsonx watsonx_text
"""
_OTHER_WIRES = frozenset(_ELSEWISE.split())
"""Names LiteLLM knows whose wire is another, or whose paths are not OpenAI's."""
_OF_OPENAI = ("gpt-", "chatgpt-", "o1", "o3", "o4", "ft:gpt-", "text-embedding-", "dall-e-", "whisper-", "tts-")
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/messages")
_TRANSLATED = (
    "requests are passed on as they are: this provider answers clients that speak Anthropic's messages, where LiteLLM "
    "translates OpenAI's chat completions for it"
)


@attrs.frozen
class Unlocatable(Exception):
    """A model the gateway cannot ask for."""

    reason: str


@attrs.frozen
class Located:
    url: str
    model: str
    variable: str | None = None
    "The environment variable LiteLLM takes the credential from when none is stated."
    is_variables: bool = True
    "Whether the address is that of the provider whose credential the variable holds."
    header: str | None = None
    "Which carries the bare credential; None: `Authorization` with `Bearer `."
    notes: tuple[str, ...] = ()


def locate(model: str, provider: str | None, base: str | None) -> Located:
    """`provider` is what `custom_llm_provider` says, `base` what `api_base` says. Raises Unlocatable."""
    if provider is None:
        provider, model, notes = _named(model, has_base=base is not None)
    else:
        model, notes = model.removeprefix(f"{provider}/"), ()
    if not model:
        raise Unlocatable("no model is named after the provider")
    if provider in {"azure", "azure_text"}:
        return _azure(model, base)
    if provider in {"anthropic", "anthropic_text"}:
        url = _without_v1(_checked(base or _ANTHROPIC))
        return Located(url, model, "ANTHROPIC_API_KEY", url == _ANTHROPIC, "x-api-key", (*notes, _TRANSLATED))
    if provider in {"ollama", "ollama_chat"}:
        url, _ = _openai(base or _OLLAMA)
        return Located(url, model, notes=(*notes, "Ollama is asked in OpenAI's form, under /v1"))
    if provider in _OTHER_WIRES:
        raise Unlocatable(
            f"{provider} speaks neither OpenAI's wire under /v1 nor Anthropic's, and nothing is translated"
        )
    if base is not None:
        if provider not in _HOSTED and provider not in _SELF_HOSTED:
            notes = (*notes, "the importer does not know this provider; it is asked in OpenAI's form at its `api_base`")
        url, more = _openai(base)
        known, variable = _HOSTED.get(provider, (None, None))
        is_variables = known is not None and url == _openai(known)[0]
        return Located(url, model, variable, is_variables, notes=(*notes, *more))
    if provider not in _HOSTED:
        raise Unlocatable("there is no `api_base`, and the importer knows no address for this provider")
    address, variable = _HOSTED[provider]
    return Located(_openai(address)[0], model, variable, notes=notes)


def _named(model: str, *, has_base: bool) -> tuple[str, str, tuple[str, ...]]:
    """Provider and model of a `model` that names both, or of one that LiteLLM recognises."""
    prefix, slash, rest = model.partition("/")
    if slash:
        return prefix, rest, ()
    if model.startswith(_OF_OPENAI):
        return "openai", model, ()
    if model.startswith("claude-"):
        return "anthropic", model, ()
    if has_base:
        return "openai_like", model, ("no provider is named; it is asked in OpenAI's form at its `api_base`",)
    raise Unlocatable("no provider is named; valid: a prefix such as openai/ before the model")


def _azure(model: str, base: str | None) -> Located:
    if base is None:
        raise Unlocatable("there is no `api_base`, which Azure needs")
    parts = urlsplit(_checked(base))
    path = parts.path.partition("/openai")[0]
    note = "Azure is asked at /openai/v1 with the deployment as the model, where LiteLLM names both in path and query"
    url = f"{parts.scheme}://{parts.netloc}{path}/openai"
    is_azures = (parts.hostname or "").endswith(".azure.com")
    return Located(url, model, "AZURE_API_KEY", is_azures, header="api-key", notes=(note,))


def _openai(base: str) -> tuple[str, tuple[str, ...]]:
    """The address that request paths, which start with /v1, are appended to."""
    url = _checked(base)
    path = urlsplit(url).path
    if path.endswith("/v1"):
        return _without_v1(url), ()
    if "/v1/" in path:
        raise Unlocatable("the path of its `api_base` goes on after /v1, and requests would get a second one")
    return url, ("the path of `api_base` does not end in /v1; requests go to /v1 under it, where LiteLLM adds none",)


def _without_v1(url: str) -> str:
    path = urlsplit(url).path
    return url.removesuffix("/v1") if path.endswith("/v1") and path != "/v1" else url


def _checked(base: str) -> str:
    """A base without what stands after it in the address of one endpoint."""
    url = base.strip().rstrip("/")
    for endpoint in _ENDPOINTS:
        url = url.removesuffix(endpoint).rstrip("/")
    try:
        normalise(url)
        is_usable = "@" not in url
    except ValueError:
        is_usable = False
    if not is_usable:
        hint = "http or https, a host and perhaps a path, without user information and query"
        raise Unlocatable(f"its `api_base` cannot be used; valid: {hint}")
    return url
