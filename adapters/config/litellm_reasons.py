"""Why keys of a LiteLLM configuration have no counterpart here, where the reason is known.

Law: words only. A key that is in no table is told as unknown (`litellm_source`), so a table may lag behind LiteLLM
without anything being dropped silently.
"""

_WRITES_NO_PARAMETERS = "Pointsman writes nothing but the model into a request; clients send their own parameters"
_NO_HEADERS = "Pointsman sends a provider no headers of its own but the credential"
NO_TOKENS = "Pointsman counts requests, not tokens"
_NO_PRICES = "Pointsman reads a price only where the routing strategy is cost-based-routing"
_NO_BUDGETS = "Pointsman keeps no budgets in this document"
_NO_ACCESS = "in this document only client keys decide who may use a model"
_NO_DATABASE = "it is about LiteLLM's database, which Pointsman does not read; its virtual keys are not in the document"
_NO_REDIS = "Pointsman shares no state through Redis"
_NO_CALLBACKS = "Pointsman has no callbacks; it has logs, metrics at /metrics and its event log"
_NO_CACHE = "Pointsman caches no answers"
_NO_CHECKS = "Pointsman does not look into requests"
_NOT_BY_ERROR = "a pool tries another provider by the status of an answer, not by the kind of error in it"
_ELSEWHERE = "set in another way; see docs/operations.md"
_IN_POOLS = "a pool's settings are for all of its providers"
_AWS = "credentials of a cloud are not understood; a provider has one credential in one header"


def _all(names: str, reason: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


TOP = {
    **_all("callback_settings", _NO_CALLBACKS),
    **_all("guardrails policies prompts", _NO_CHECKS),
    **_all("include", "other files are not read; convert each of them, or one that has all in it"),
    **_all("credential_list", "write each credential as `api_key` and `api_base` where it is used"),
    **_all("mcp_servers mcp_tools search_tools vector_store_registry agents", "Pointsman serves models only"),
    **_all("finetune_settings files_settings", "Pointsman passes such requests on to the pool of their model"),
}
ENTRY = {
    **_all("litellm_credential_name", "write the credential as `api_key` and `api_base` in its place"),
}
PARAMS = {
    **_all("itpm otpm default_api_key_tpm_limit", NO_TOKENS),
    **_all("extra_headers headers default_headers", _NO_HEADERS),
    **_all("organization project", f"{_NO_HEADERS}, and LiteLLM sends this as one"),
    **_all("api_version", "the address that Pointsman asks takes no version in its query"),
    **_all("litellm_credential_name", "write the credential as `api_key` and `api_base` in its place"),
    **_all("default_api_key_rpm_limit", "a key's limits are in its definition, for all models together"),
    **_all("input_cost_per_token output_cost_per_token input_cost_per_second output_cost_per_second", _NO_PRICES),
    **_all("max_budget budget_duration", _NO_BUDGETS),
    **_all("max_retries num_retries cooldown_time", _IN_POOLS),
    **_all("tags", "Pointsman does not choose providers by tags"),
    **_all("drop_params additional_drop_params modify_params allowed_openai_params extra_body", _WRITES_NO_PARAMETERS),
    **_all("temperature top_p max_tokens max_completion_tokens stop seed user n stream", _WRITES_NO_PARAMETERS),
    **_all("frequency_penalty presence_penalty response_format reasoning_effort thinking", _WRITES_NO_PARAMETERS),
    **_all("service_tier store metadata dimensions encoding_format prompt_id", _WRITES_NO_PARAMETERS),
    **_all("aws_access_key_id aws_secret_access_key aws_session_token aws_region_name aws_role_name", _AWS),
    **_all("aws_profile_name aws_session_name vertex_project vertex_location vertex_credentials", _AWS),
    **_all("tenant_id client_id client_secret azure_ad_token region_name", _AWS),
    **_all("mock_response", "Pointsman invents no answers; `pointsman simulate` is a provider that does"),
    **_all("ssl_verify", "Pointsman always checks certificates"),
    **_all("use_in_pass_through", "Pointsman has no other way to a provider than its pools"),
}
INFO = {
    **_all("mode base_model description max_tokens max_input_tokens max_output_tokens", "it describes the model only"),
    **_all("supports_vision supports_function_calling supported_environments version", "it describes the model only"),
    **_all("input_cost_per_token output_cost_per_token", _NO_PRICES),
    **_all("access_groups team_id team_public_model_name access_windows blocked", _NO_ACCESS),
    **_all("health_check_model disable_background_health_check", "Pointsman learns a provider's health from requests"),
}
ROUTER = {
    **_all("context_window_fallbacks content_policy_fallbacks", _NOT_BY_ERROR),
    **_all("allowed_fails_policy", "a circuit counts failures of all kinds together"),
    **_all("model_group_retry_policy", "the importer gives all pools one policy"),
    **_all("max_fallbacks", "a request is tried at every provider of its pool's levels, if it has to be"),
    **_all("redis_host redis_port redis_password redis_url redis_db redis_ssl", _NO_REDIS),
    **_all("cache_responses cache_kwargs caching_groups client_ttl", _NO_CACHE),
    **_all("enable_pre_call_checks optional_pre_call_checks", _NO_CHECKS),
    **_all("enable_tag_filtering tag_filtering_match_any tag_routing_prefix", "Pointsman does not choose by tags"),
    **_all("default_litellm_params", _WRITES_NO_PARAMETERS),
    **_all("provider_budget_config", _NO_BUDGETS),
    **_all("routing_strategy_args", "the strategies here have no arguments"),
    **_all("routing_groups", "the importer gives all pools one strategy"),
    **_all("set_verbose debug_level", _ELSEWHERE),
    **_all("max_retries", "retries are counted by `num_retries`"),
}
LITELLM = {
    **_all("context_window_fallbacks content_policy_fallbacks", _NOT_BY_ERROR),
    **_all("success_callback failure_callback callbacks service_callback service_callbacks", _NO_CALLBACKS),
    **_all("turn_off_message_logging redact_user_api_key_info langfuse_default_tags", _NO_CALLBACKS),
    **_all("cache cache_params enable_caching_on_provider_specific_optional_params", _NO_CACHE),
    **_all("drop_params modify_params", _WRITES_NO_PARAMETERS),
    **_all("set_verbose json_logs", _ELSEWHERE),
    **_all("max_budget budget_duration default_internal_user_params default_team_settings", _NO_BUDGETS),
    **_all("upperbound_key_generate_params key_generation_settings default_key_generate_params", _NO_DATABASE),
    **_all("guardrails", _NO_CHECKS),
    **_all("ssl_verify", "Pointsman always checks certificates"),
}
GENERAL = {
    **_all("database_url database_connection_pool_limit database_connection_timeout", _NO_DATABASE),
    **_all("store_model_in_db store_prompts_in_spend_logs disable_spend_logs proxy_batch_write_at", _NO_DATABASE),
    **_all("allow_requests_on_db_unavailable user_api_key_cache_ttl", _NO_DATABASE),
    **_all("max_parallel_requests global_max_parallel_requests", "Pointsman limits keys, pools and providers"),
    **_all("alerting alerting_threshold alert_types alerting_args alert_to_webhook_url", "Pointsman sends no alerts"),
    **_all("background_health_checks health_check_interval", "Pointsman learns a provider's health from requests"),
    **_all("completion_model", "every request names its model"),
    **_all("allowed_routes public_routes admin_only_routes ui_access_mode", _NO_ACCESS),
    **_all("allowed_ips use_x_forwarded_for", _NO_ACCESS),
    **_all("pass_through_endpoints", "Pointsman has no other way to a provider than its pools"),
    **_all("forward_client_headers_to_llm_api forward_openai_org_id", "which headers cross is fixed"),
    **_all("max_request_size_mb max_response_size_mb", _ELSEWHERE),
    **_all(
        "key_management_system key_management_settings use_azure_key_vault", "use env:NAME or file:PATH for secrets"
    ),
}
