"""What a refusal means, whoever says it: no credit, blocked, a bad key, no such model, this record alone, wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import RecordFailed, RunStopped
from factory.models.failures import Denied, Overloaded, TransientFailure
from factory.models.refusal import ModelNotFound, meaning_of, raise_for_status, retry_after
from factory.models.refusal_reply import UNKNOWN, error_status, read_error, read_exception
from factory.models.refusal_table import Meaning


def error(message: str, **fields: Any) -> dict[str, Any]:
    """OpenAI's shape."""
    return {"error": {"message": message, **fields}}


NO_CREDIT: list[tuple[int, Any]] = [
    (429, error("You exceeded your current quota, please check your plan.", code="insufficient_quota")),
    (429, error("You exceeded your current quota, please check your plan and billing details.")),
    (429, error("Billing hard limit has been reached", code="billing_hard_limit_reached")),
    (400, error("Your credit balance is too low to access the API.", type="invalid_request_error")),
    (400, error("You have reached your specified API usage limits. You will regain access on 2026-12-01.")),
    (402, error("This request requires more credits, or fewer max_tokens.", code=402)),
    (402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error")),
    (402, error("")),
    (403, error("Key limit exceeded (total limit).", code=403)),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
    (403, {"code": 30011, "message": "The model requires paid balance.", "data": None}),
    (412, error("Account a is suspended, possibly due to reaching the monthly spending limit")),
    (402, error("You have exceeded your monthly included credits for Inference Providers.")),
    (429, error("Your prepayment credits are depleted.", status="RESOURCE_EXHAUSTED", code=429)),
    (429, error("您的账户已欠费，请充值后重试。", code="1113")),
    (400, error("Access denied, please make sure your account is in good standing.", code="Arrearage")),
    (400, {"code": "Arrearage", "message": "Access denied.", "request_id": "x"}),
    (403, error("The free tier of the model has been exhausted.", code="AllocationQuota.FreeTierOnly")),
    (429, error("Your account is not active", type="exceeded_current_quota_error")),
    (429, error("余额不足，请充值", type="exceeded_current_quota_error")),
    (200, {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": None}),
    (200, {"error_code": 17, "error_msg": "Open api daily request limit reached"}),
    (
        403,
        error("The request failed because your account has an overdue balance.", code="AccountOverdueError"),
    ),
    (
        200,
        {
            "Response": {
                "Error": {"Code": "FailedOperation.ResourcePackExhausted", "Message": "资源包余量已用尽"}
            }
        },
    ),
    (403, error("用户额度不足, 剩余额度: ＄-0.000002", type="new_api_error", code="insufficient_user_quota")),
    (403, error("预扣费额度失败, 用户剩余额度: ＄0.01", type="new_api_error")),
    (401, error("该令牌额度已用尽 TokenStatusExhausted[sk-a***b]")),
    (403, error("user quota is not enough", type="one_api_error")),
    (200, {"header": {"code": 11200, "message": "AppIdNoAuthError", "sid": "x"}}),
    (403, {"code": 403, "reason": "NOT_ENOUGH_BALANCE", "message": "not enough balance"}),
    (500, error("upstream error", metadata={"raw": '{"error":{"message":"Insufficient credits"}}'})),
    (400, error('{"error":{"message":"余额不足","code":"x"}}')),
    (200, {"error": "Insufficient account balance"}),
]
BLOCKED: list[tuple[int, Any]] = [
    (400, error("The response was filtered due to the content management policy.", code="content_filter")),
    (400, error("filtered", code=None, innererror={"code": "ResponsibleAIPolicyViolation"})),
    (400, error("Invalid prompt: your prompt was flagged as potentially violating our usage policy.")),
    (400, error("Input data may contain inappropriate content.", code="data_inspection_failed")),
    (400, {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}),
    (400, error("Content Exists Risk", code="invalid_request_error")),
    (400, error("系统检测到输入或生成内容可能包含不安全或敏感内容", code="1301")),
    (400, error("The request was rejected because it was considered high risk", type="content_filter")),
    (200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
    (200, {"base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}, "choices": []}),
    (400, error("may contain sensitive information", code="SensitiveContentDetected")),
    (400, error("x", code="InputTextSensitiveContentDetected.PolicyViolation")),
    (400, error("x", code="OutputTextRiskDetection")),
    (200, {"Response": {"Error": {"Code": "OperationDenied.TextIllegalDetected", "Message": "x"}}}),
    (451, error("The content you provided or machine outputted is blocked.", type="censorship_blocked")),
    (451, ""),
    (
        403,
        error("The model requires moderation. Your input was flagged.", metadata={"reasons": ["violence"]}),
    ),
    (400, error("Output blocked by content filtering policy", type="invalid_request_error")),
    (200, {"code": 10013, "message": "输入内容审核不通过，涉嫌违规", "sid": "x"}),
    (500, error("sensitive words detected", code="sensitive_words_detected")),
    (400, error("内容安全审核未通过")),
]
WAITED_FOR: list[tuple[int, Any]] = [
    (
        429,
        error(
            "Rate limit reached for m on tokens per min (TPM): Limit 10000, Used 9000",
            code="rate_limit_exceeded",
        ),
    ),
    (
        429,
        error(
            "Rate limit reached. You can increase it by adding a payment method to your account at x/billing."
        ),
    ),
    (
        429,
        error(
            "You exceeded your current quota, please check your plan and billing details. Please retry in 25.4s.",
            status="RESOURCE_EXHAUSTED",
            code=429,
        ),
    ),
    (
        429,
        [error("Quota exceeded for quota metric 'x' and limit 'x per minute'", status="RESOURCE_EXHAUSTED")],
    ),
    (429, error("Resource has been exhausted (e.g. check quota).", status="RESOURCE_EXHAUSTED")),
    (429, error("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests per day")),
    (
        429,
        error(
            "have exceeded token rate limit of your S0 pricing tier. Please retry after 60 seconds.",
            code="429",
        ),
    ),
    (403, error("Out of call volume quota. Quota will be replenished in 2.10:00:00.")),
    (429, error("您当前使用该 API 的并发数过高，请降低并发", code="1302")),
    (429, error("该 API 已触发流量限制", code="1305")),
    (429, error("已达到 5 小时 的使用上限。您的限额将在 x 重置", code="1308")),
    (429, {"code": "Throttling.AllocationQuota", "message": "Allocated quota exceeded, please increase it."}),
    (429, error("Allocated quota exceeded, please increase your quota limit.", code="insufficient_quota")),
    (429, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}),
    (429, error("max RPM: 3, please try again after 1 seconds", type="rate_limit_reached_error")),
    (429, error("The engine is currently overloaded", type="engine_overloaded_error")),
    (200, {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}),
    (200, {"error_code": 18, "error_msg": "Open api qps request limit reached"}),
    (200, {"error_code": 336501, "error_msg": "Rate limit reached for RPM"}),
    (429, error("x", code="RateLimitExceeded.EndpointTPMExceeded")),
    (429, error("x", code="ServerOverloaded")),
    (200, {"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "x"}}}),
    (403, error("请求过于频繁，请稍后再试")),
    (429, ""),
    (503, error("The server is currently unable to handle the request")),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    (498, error("flex tier capacity exceeded")),
    (503, error("Loading model", type="unavailable_error", code=503)),
    (429, {"error": "Model is overloaded", "error_type": "overloaded"}),
    (500, error("当前分组上游负载已饱和，请稍后再试")),
    (400, {"__type": "ThrottlingException", "code": "ThrottlingException", "message": "Too many requests"}),
    (429, {"object": "error", "message": "Service tier capacity exceeded for this model.", "code": "3505"}),
    (200, {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "rate"}}}),
]
RECORD_ALONE: list[tuple[int, Any, str]] = [
    (400, error("This model's maximum context length is 4096 tokens."), "context_length"),
    (400, error("x", code="context_length_exceeded"), "context_length"),
    (400, error("Invalid request: Your request exceeded model token limit: 8192"), "context_length"),
    (400, error("Prompt 超长", code="1261"), "context_length"),
    (
        422,
        {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "validation"},
        "context_length",
    ),
    (
        400,
        error("Range of input length should be [1, 30720]", code="invalid_parameter_error"),
        "context_length",
    ),
    (
        413,
        error("Request too large for model: TPM limit 6000, requested 7000", code="rate_limit_exceeded"),
        "context_length",
    ),
    (
        429,
        error("Request too large for m on tokens per min (TPM): Limit 1, Requested 2", code="tokens"),
        "context_length",
    ),
    (400, error("System role not supported"), "bad_request"),
    (400, error("the location of the image is not supported"), "bad_request"),
    (400, error("This model only support stream mode", code="invalid_parameter_error"), "bad_request"),
    (422, {"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted"}]}, "bad_request"),
    (400, error("messages.0: text content blocks must be non-empty"), "bad_request"),
    (400, error("the field violates the schema: content must be a string"), "bad_request"),
    (400, error("model names are case sensitive, and so is content"), "bad_request"),
    (
        400,
        error('unexpected text "my account has an insufficient balance of kindness" in the prompt'),
        "bad_request",
    ),
    (422, {"detail": [{"msg": "bad", "input": "insufficient balance, rate limit"}]}, "bad_request"),
    (200, error("bad role", type="invalid_request_error"), "bad_request"),
]
BAD_KEY: list[tuple[int, Any]] = [
    (401, error("Incorrect API key provided", code="invalid_api_key")),
    (400, error("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT", code=400)),
    (200, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}),
    (200, {"error_code": 110, "error_msg": "Access token invalid or no longer valid"}),
    (401, error("无效的令牌")),
    (429, error("您的账户已被锁定，请联系客服解锁", code="1112")),
    (403, error("The account has been suspended")),
]
PLACE: list[tuple[int, Any]] = [
    (403, error("Country, region, or territory not supported", code="unsupported_country_region_territory")),
    (400, error("User location is not supported for the API use.", status="FAILED_PRECONDITION", code=400)),
    (403, error("This service is not available in your country.")),
    (403, error("您所在的地区不支持使用该服务")),
]
NO_MODEL: list[tuple[int, Any]] = [
    (404, error("The model `x` does not exist.")),
    (400, error("x", code="model_not_found")),
    (503, error("当前分组 default 下对于模型 x 无可用渠道", code="model_not_found")),
    (400, error("模型不存在，请检查模型代码", code="1211")),
    (404, {"error": 'model "x" not found, try pulling it first'}),
    (400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}),
    (404, error("No endpoints found for x", code=404)),
]
MISHAPS: list[tuple[int, Any]] = [
    (500, error("oops")),
    (502, "<html><head><title>Bad Gateway</title></head></html>"),
    (408, ""),
    (409, ""),
    (524, ""),
    (200, error("upstream broke", code=502)),
    (200, {"code": "50001", "message": "internal error", "data": None}),
    (200, {"base_resp": {"status_code": 1000, "status_msg": "unknown error"}}),
    (200, {"error": {"message": ""}}),
]
PERHAPS_ALONE = [
    (403, ""),
    (401, ""),
    (410, error("gone")),
    (499, ""),
    (204, ""),
    (307, ""),
    (418, error("tea")),
]


def judge(status: int, body: Any) -> None:
    sent = body.encode() if isinstance(body, str) else orjson.dumps(body)
    if status == 200:
        found = error_status(body)
        assert found is not None, "this is no reply"
        status = found
    raise_for_status(status, {}, sent, address="the server", key="k" * 20, key_env="KEY")


def named(cases: list[Any]) -> list[str]:
    return [f"{case[0]} {case[1]!r}"[:70] for case in cases]


@pytest.mark.parametrize(("status", "body"), NO_CREDIT, ids=named(NO_CREDIT))
def test_an_account_without_credit_stops_the_run_whoever_says_it_and_how(status: int, body: Any) -> None:
    with pytest.raises(RunStopped, match="no credit left") as caught:
        judge(status, body)
    assert not isinstance(caught.value, Denied)


@pytest.mark.parametrize(("status", "body"), BLOCKED, ids=named(BLOCKED))
def test_a_prompt_that_a_filter_withholds_is_refused(status: int, body: Any) -> None:
    with pytest.raises(RecordFailed) as caught:
        judge(status, body)
    assert caught.value.kind == "refused"


@pytest.mark.parametrize(("status", "body"), WAITED_FOR, ids=named(WAITED_FOR))
def test_a_limit_of_speed_is_waited_for(status: int, body: Any) -> None:
    with pytest.raises(Overloaded):
        judge(status, body)


@pytest.mark.parametrize(("status", "body", "kind"), RECORD_ALONE, ids=named(RECORD_ALONE))
def test_what_is_wrong_with_one_request_fails_its_record(status: int, body: Any, kind: str) -> None:
    with pytest.raises(RecordFailed) as caught:
        judge(status, body)
    assert caught.value.kind == kind


@pytest.mark.parametrize(("status", "body"), BAD_KEY, ids=named(BAD_KEY))
def test_a_refused_key_or_account_stops_the_run(status: int, body: Any) -> None:
    with pytest.raises(RunStopped, match="export KEY=") as caught:
        judge(status, body)
    assert not isinstance(caught.value, Denied)


@pytest.mark.parametrize(("status", "body"), PLACE, ids=named(PLACE))
def test_where_the_provider_serves_nobody_no_key_is_asked_for(status: int, body: Any) -> None:
    with pytest.raises(RunStopped, match=r"does not serve the place .* no key helps"):
        judge(status, body)


@pytest.mark.parametrize(("status", "body"), NO_MODEL, ids=named(NO_MODEL))
def test_an_unknown_model_is_told_apart(status: int, body: Any) -> None:
    with pytest.raises(ModelNotFound):
        judge(status, body)


@pytest.mark.parametrize(("status", "body"), MISHAPS, ids=named(MISHAPS))
def test_a_mishap_is_worth_another_try(status: int, body: Any) -> None:
    with pytest.raises(TransientFailure) as caught:
        judge(status, body)
    assert not isinstance(caught.value, Overloaded)


@pytest.mark.parametrize(("status", "body"), PERHAPS_ALONE, ids=named(PERHAPS_ALONE))
def test_a_status_that_may_be_meant_for_one_call_or_all_says_both(status: int, body: Any) -> None:
    with pytest.raises(Denied) as caught:
        judge(status, body)
    assert str(status) in caught.value.alone


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": [{"message": {"content": "hi"}}], "base_resp": {"status_code": 0, "status_msg": ""}},
        {"choices": [{"message": {"content": "hi"}}], "error": None, "code": 0},
        {"choices": [{"message": {"content": "hi"}}], "error": {"code": 0, "message": ""}},
        {"data": [{"embedding": [1]}], "object": "list"},
        {"id": "x", "choices": [], "code": 200, "message": "ok"},
        [],
        "text",
    ],
)
def test_a_proper_reply_is_no_failure(reply: Any) -> None:
    assert error_status(reply) is None


@pytest.mark.parametrize(
    ("beside", "failure"),
    [
        ({"error": {"code": 502, "message": "Upstream idle timeout"}}, TransientFailure),
        ({"error": "stream closed"}, TransientFailure),
        ({"error": {"code": 429, "message": "rate limit"}}, Overloaded),
        ({"base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}}, RecordFailed),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, RunStopped),
    ],
)
def test_an_error_beside_half_an_answer_is_that_error(beside: Any, failure: type[Exception]) -> None:
    half = {"choices": [{"message": {"content": "The moon pulls the water towards"}}]}
    with pytest.raises(failure):
        judge(200, {**half, **beside})


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from(
    ["error", "code", "message", "type", "base_resp", "status_code", "metadata", "raw", "detail"]
)
ANY = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=12)


@given(st.integers(0, 999), ANY)
def test_whatever_a_server_says_means_something(status: int, body: Any) -> None:
    try:
        sent = orjson.dumps(body)
    except TypeError:
        return
    assert meaning_of(status, read_error(sent)) in (None, *Meaning)
    with pytest.raises((RecordFailed, RunStopped, TransientFailure, ModelNotFound)):
        raise_for_status(status, {}, sent, address="a", key="", key_env="K")
    error_status(body)


@given(st.binary(max_size=200))
def test_a_body_of_any_bytes_is_read(body: bytes) -> None:
    read_error(body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "1e300"}, 1e300),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": format_datetime(datetime(1990, 1, 1, tzinfo=UTC), usegmt=True)}, 0),
        ({"retry-after": "Mon, 99 Foo 9999 99:99:99 GMT"}, None),
        ({}, None),
    ],
)
def test_a_told_wait_is_never_negative_and_never_nonsense(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


def test_a_told_moment_is_a_wait_until_then() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    told = retry_after({"retry-after": moment})
    assert told is not None
    assert 3500 < told <= 3600


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(), timedelta(days=400)])
def test_a_told_moment_is_one_of_the_servers_clock_where_that_is_told(off: timedelta) -> None:
    now = datetime.now(UTC) + off
    headers = {
        "date": format_datetime(now, usegmt=True),
        "retry-after": format_datetime(now + timedelta(seconds=30), usegmt=True),
    }
    assert retry_after(headers) == 30


class _Response:
    status_code = 429

    def __init__(self) -> None:
        self.headers = {"Retry-After": "3"}


@pytest.mark.parametrize(
    ("words", "fields", "status", "meaning"),
    [
        (
            "Error code: 429 - {'error': {'message': 'You exceeded your current quota', 'code': 'insufficient_quota'}}",
            {"status_code": 429},
            429,
            Meaning.NO_CREDIT,
        ),
        (
            "x",
            {"status_code": 400, "body": {"message": "risk", "code": "data_inspection_failed"}},
            400,
            Meaning.BLOCKED,
        ),
        ("status_code: 400 \n code: Arrearage \n message: Access denied", {}, 400, Meaning.NO_CREDIT),
        ("400 API key not valid. Please pass a valid API key.", {}, 400, Meaning.BAD_KEY),
        ("429 Resource has been exhausted (e.g. check quota).", {"code": 429}, 429, Meaning.RATE_LIMIT),
        ("slow down", {"response": _Response()}, 429, Meaning.RATE_LIMIT),
        (
            "An error occurred",
            {
                "response": {
                    "Error": {"Code": "ThrottlingException", "Message": "Too many tokens"},
                    "ResponseMetadata": {"HTTPStatusCode": 400},
                }
            },
            400,
            Meaning.RATE_LIMIT,
        ),
        ("账户余额不足", {}, UNKNOWN, Meaning.NO_CREDIT),
        ("something odd", {}, UNKNOWN, Meaning.FAULT),
    ],
)
def test_another_librarys_exception_is_read_as_its_reply_would_be(
    words: str, fields: dict[str, Any], status: int, meaning: Meaning
) -> None:
    raised = Exception(words)
    for name, value in fields.items():
        setattr(raised, name, value)
    found, told, headers = read_exception(raised)
    assert found == status
    assert meaning_of(found, told) == meaning
    assert headers == ({"retry-after": "3"} if "response" in fields and "slow" in words else {})


@pytest.mark.parametrize(
    "page",
    [
        "<html><head><title>403 Forbidden</title></head><body><center>nginx</center></body></html>",
        "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head></html>",
        "<html><body>no</body></html>",
    ],
)
def test_a_web_page_that_refuses_is_not_taken_for_a_server_that_asks_for_a_key(page: str) -> None:
    with pytest.raises(Denied, match=r"as a web page .* a firewall or nginx") as caught:
        raise_for_status(403, {}, page.encode(), address="http://x", key="", key_env="")
    assert "asks for a key" not in str(caught.value)
