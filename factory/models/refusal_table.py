"""Which codes and words of which provider mean what: the table that `refusal` reads. A new one is a new line.

Codes are compared without case, `_`, `-` and blanks; "A.B" is looked up whole and then as "A". A number means
something with its provider alone, which the shape of its reply tells ("baidu:17"). Words decide where no code does.

Sources: the error pages of the providers' API references, and what their users report.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Meaning(StrEnum):
    """What a refusal means for the call, for its record and for the run."""

    NO_CREDIT = "no_credit"
    """Nothing more is answered until somebody pays."""
    BLOCKED = "blocked"
    """A filter holds this prompt, or the reply to it, for unfit."""
    BAD_KEY = "bad_key"
    """The key or its account is refused."""
    PLACE = "place"
    """The provider does not serve the place that it is called from."""
    NO_MODEL = "no_model"
    """The server does not know the model, or does not give it to this account."""
    TOO_LONG = "too_long"
    """This request is larger than the model or the account takes."""
    BAD_REQUEST = "bad_request"
    """This request can never succeed."""
    RATE_LIMIT = "rate_limit"
    """Asked too fast: the same request succeeds later."""
    OVERLOADED = "overloaded"
    """The server has too much to do: the same request succeeds later."""
    FAULT = "fault"
    """A mishap of the server: another try may succeed."""


_CODES: tuple[tuple[Meaning, str, str], ...] = (
    (Meaning.NO_CREDIT, "OpenAI", "billing_hard_limit_reached billing_not_active account_billing_not_active"),
    (Meaning.NO_CREDIT, "Anthropic", "billing_error credit_balance_too_low"),
    (Meaning.NO_CREDIT, "Gemini", "BILLING_DISABLED BILLING_NOT_ACTIVE"),
    (
        Meaning.NO_CREDIT,
        "Together, Fireworks, OpenRouter",
        "credit_limit payment_required insufficient_credits",
    ),
    (Meaning.NO_CREDIT, "Zhipu", "zhipu:1113 zhipu:1309"),
    (Meaning.NO_CREDIT, "DashScope", "Arrearage Account.Arrearage AllocationQuota.FreeTierOnly"),
    (Meaning.NO_CREDIT, "DashScope", "CommodityNotPurchased PrepaidBillOverdue PostpaidBillOverdue"),
    (Meaning.NO_CREDIT, "Moonshot", "exceeded_current_quota_error"),
    (Meaning.NO_CREDIT, "MiniMax", "minimax:1008 insufficient_balance_error"),
    (Meaning.NO_CREDIT, "Qianfan", "baidu:17 baidu:19 account_overdue BILLING_INSUFFICIENT_BALANCE"),
    (
        Meaning.NO_CREDIT,
        "Hunyuan",
        "FailedOperation.ResourcePackExhausted FailedOperation.ServiceStopArrears",
    ),
    (Meaning.NO_CREDIT, "Hunyuan", "FailedOperation.ServiceStop ResourceInsufficient.ChargeResourceExhaust"),
    (Meaning.NO_CREDIT, "Hunyuan", "FailedOperation.UserUnAuthError UnauthorizedOperation.Arrears"),
    (Meaning.NO_CREDIT, "Ark", "AccountOverdueError InsufficientBalance SetLimitExceeded"),
    (Meaning.NO_CREDIT, "SiliconFlow", "siliconflow:30001 siliconflow:30011"),
    (Meaning.NO_CREDIT, "Spark", "spark:11200"),
    (Meaning.NO_CREDIT, "one-api, new-api", "insufficient_user_quota pre_consume_token_quota_failed"),
    (
        Meaning.NO_CREDIT,
        "others",
        "insufficient_balance not_enough_balance BILLING_BALANCE_NOT_ENOUGH arrears",
    ),
    (
        Meaning.NO_CREDIT,
        "others",
        "insufficient_funds insufficient_funds_error out_of_credits budget_exceeded",
    ),
    (
        Meaning.BLOCKED,
        "OpenAI, Azure",
        "content_filter content_policy_violation ResponsibleAIPolicyViolation",
    ),
    (Meaning.BLOCKED, "OpenAI", "content_policy moderation_blocked safety"),
    (Meaning.BLOCKED, "Gemini", "PROHIBITED_CONTENT BLOCKLIST SPII"),
    (Meaning.BLOCKED, "Zhipu", "zhipu:1301 sensitive"),
    (Meaning.BLOCKED, "DashScope", "DataInspectionFailed data_inspection_failed DataInspection"),
    (Meaning.BLOCKED, "MiniMax", "minimax:1026 minimax:1027 input_sensitive_error output_sensitive_error"),
    (Meaning.BLOCKED, "Qianfan", "baidu:216202 baidu:336202 sensitive_content"),
    (Meaning.BLOCKED, "Hunyuan", "OperationDenied.TextIllegalDetected OperationDenied.ImageIllegalDetected"),
    (Meaning.BLOCKED, "Hunyuan", "FailedOperation.ModerationFailed"),
    (
        Meaning.BLOCKED,
        "Ark",
        "SensitiveContentDetected InputTextSensitiveContentDetected InputTextRiskDetection",
    ),
    (Meaning.BLOCKED, "Ark", "OutputTextSensitiveContentDetected OutputTextRiskDetection RiskDetection"),
    (Meaning.BLOCKED, "Spark", "spark:10013 spark:10014 spark:10019"),
    (Meaning.BLOCKED, "StepFun, new-api", "censorship_blocked sensitive_words_detected prompt_blocked"),
    (Meaning.BAD_KEY, "OpenAI", "invalid_api_key incorrect_api_key account_deactivated invalid_organization"),
    (Meaning.PLACE, "OpenAI", "unsupported_country_region_territory"),
    (Meaning.BAD_KEY, "Anthropic, Ark", "authentication_error AuthenticationError"),
    (Meaning.BAD_KEY, "Gemini", "API_KEY_INVALID UNAUTHENTICATED CONSUMER_SUSPENDED SERVICE_DISABLED"),
    (
        Meaning.BAD_KEY,
        "Zhipu",
        "zhipu:1000 zhipu:1001 zhipu:1002 zhipu:1003 zhipu:1004 zhipu:1110 zhipu:1111",
    ),
    (Meaning.BAD_KEY, "Zhipu", "zhipu:1112 zhipu:1121"),
    (Meaning.BAD_KEY, "DashScope", "InvalidApiKey invalid_api_key"),
    (Meaning.BAD_KEY, "Moonshot", "invalid_authentication_error incorrect_api_key_error"),
    (Meaning.BAD_KEY, "MiniMax", "minimax:1004 minimax:2049"),
    (Meaning.BAD_KEY, "Qianfan", "baidu:13 baidu:14 baidu:100 baidu:110 baidu:111 invalid_iam_token"),
    (Meaning.BAD_KEY, "Hunyuan", "AuthFailure"),
    (Meaning.BAD_KEY, "Spark", "spark:10015 spark:10016 spark:10017"),
    (Meaning.NO_MODEL, "OpenAI, vLLM, Groq", "model_not_found DeploymentNotFound model_decommissioned"),
    (Meaning.NO_MODEL, "Ark", "ModelNotOpen InvalidEndpointOrModel InvalidEndpoint.NotFound"),
    (Meaning.NO_MODEL, "Zhipu, SiliconFlow", "zhipu:1211 zhipu:1221 zhipu:1222 siliconflow:20012"),
    (
        Meaning.NO_MODEL,
        "Qianfan, DashScope",
        "baidu:3 baidu:6 baidu:15 invalid_model ModelNotFound Model.AccessDenied",
    ),
    (Meaning.NO_MODEL, "Mistral", "invalid_model 1500"),
    (
        Meaning.TOO_LONG,
        "OpenAI, llama.cpp",
        "context_length_exceeded exceed_context_size_error string_above_max_length",
    ),
    (Meaning.TOO_LONG, "Anthropic", "request_too_large"),
    (Meaning.TOO_LONG, "Zhipu, Spark", "zhipu:1261 spark:10907"),
    (Meaning.TOO_LONG, "Qianfan", "baidu:336007 baidu:336103 tokens_too_long characters_too_long"),
    (
        Meaning.RATE_LIMIT,
        "OpenAI, Groq, Anthropic",
        "rate_limit_exceeded rate_limit_error rate_limited tokens requests",
    ),
    (
        Meaning.RATE_LIMIT,
        "Gemini, Bedrock",
        "RESOURCE_EXHAUSTED ThrottlingException TooManyRequestsException",
    ),
    (
        Meaning.RATE_LIMIT,
        "Zhipu",
        "zhipu:1302 zhipu:1303 zhipu:1304 zhipu:1305 zhipu:1308 zhipu:1310 zhipu:1313",
    ),
    (Meaning.RATE_LIMIT, "DashScope", "Throttling limit_requests limit_burst_rate rate_quota"),
    (Meaning.RATE_LIMIT, "Moonshot", "rate_limit_reached_error"),
    (Meaning.RATE_LIMIT, "MiniMax", "minimax:1002 minimax:1039 minimax:1041 minimax:2045 minimax:2056"),
    (
        Meaning.RATE_LIMIT,
        "Qianfan",
        "baidu:4 baidu:18 baidu:336501 baidu:336502 baidu:336503 rpm_rate_limit_exceeded",
    ),
    (
        Meaning.RATE_LIMIT,
        "Qianfan",
        "tpm_rate_limit_exceeded preemptible_rate_limit_exceeded user_rate_limit_exceeded",
    ),
    (Meaning.RATE_LIMIT, "Hunyuan", "LimitExceeded RequestLimitExceeded"),
    (
        Meaning.RATE_LIMIT,
        "Ark",
        "RateLimitExceeded AccountRateLimitExceeded ModelAccountRpmRateLimitExceeded",
    ),
    (
        Meaning.RATE_LIMIT,
        "Ark",
        "ModelAccountTpmRateLimitExceeded InflightBatchsizeExceeded RequestBurstTooFast",
    ),
    (Meaning.RATE_LIMIT, "Spark", "spark:11201 spark:11202 spark:11203 spark:10006"),
    (
        Meaning.OVERLOADED,
        "Anthropic, Moonshot, Ark",
        "overloaded_error engine_overloaded_error ServerOverloaded",
    ),
    (Meaning.OVERLOADED, "Mistral, TGI", "service_tier_capacity_exceeded 3505 overloaded capacity_exceeded"),
    (Meaning.OVERLOADED, "Zhipu, SiliconFlow", "zhipu:1312 siliconflow:50505 siliconflow:50603"),
    (
        Meaning.OVERLOADED,
        "Spark, new-api",
        "spark:10007 spark:10008 spark:10010 spark:10110 get_channel_failed",
    ),
    (Meaning.OVERLOADED, "Qianfan, llama.cpp", "baidu:336100 server_overloaded unavailable_error"),
    (Meaning.FAULT, "MiniMax", "minimax:1000 minimax:1001 minimax:1013 minimax:1024 minimax:1033"),
    (Meaning.FAULT, "Zhipu", "zhipu:1120 zhipu:1200 zhipu:1230 zhipu:1234"),
    (Meaning.FAULT, "Qianfan", "baidu:1 baidu:2 baidu:336000"),
    (
        Meaning.FAULT,
        "Hunyuan",
        "InternalError FailedOperation.EngineServerError FailedOperation.EngineRequestTimeout",
    ),
    (Meaning.FAULT, "Spark, SiliconFlow", "spark:10009 spark:10012 siliconflow:50501 siliconflow:50507"),
    (Meaning.BAD_REQUEST, "Zhipu, MiniMax", "zhipu:1210 zhipu:1213 zhipu:1214 zhipu:1215 minimax:2013"),
    (Meaning.BAD_REQUEST, "Qianfan", "baidu:336001 baidu:336002 baidu:336003 baidu:336006 baidu:336104"),
    (
        Meaning.BAD_REQUEST,
        "Spark, SiliconFlow",
        "spark:10163 spark:10003 spark:10004 spark:10005 siliconflow:20015",
    ),
)


def plain_code(code: str) -> str:
    """A code as codes are compared."""
    return re.sub(r"[\s_-]", "", code).lower()


_BY_CODE = {plain_code(code): meaning for meaning, _, codes in _CODES for code in codes.split()}


def meaning_of_code(code: str) -> Meaning | None:
    """What a code means; of "A.B.C" the longest part from its start that is known."""
    plain = plain_code(code)
    while plain:
        if plain in _BY_CODE:
            return _BY_CODE[plain]
        plain = plain.rpartition(".")[0]
    return None


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


NO_CREDIT = _words(
    r"insufficient.{0,20}(?:balance|credit|funds)",
    r"(?:balance|funds|credits?)\W.{0,30}(?:too low|insufficient|not (?:enough|sufficient))",
    r"(?:balance|funds|credits?)\W.{0,30}(?:exhaust|deplet|used up|negative)",
    r"(?:out of|no|no more|no remaining|not enough|never purchased|requires? more) (?:credits?|funds|balance)",
    r"(?:in arrears|arrearage|overdue (?:balance|payment|bill)|outstanding (?:balance|payment|invoice))",
    r"account is in good standing|payment (?:is )?required|failure to pay|unpaid (?:invoice|bill)",
    r"billing (?:hard )?limit|spend(?:ing)? limits?\b.{0,40}(?:reached|exceeded)",
    r"reached your specified.{0,20}usage limits|(?:reach|exceed)\w*.{0,20}(?:spend(?:ing)?|key|credit) limit",
    r"key limit exceeded",
    r"monthly included credits|billing (?:is|has been) (?:disabled|not)|enable billing|requires billing",
    r"(?:user|token|account) quota is not enough|free (?:trial )?quota.{0,20}(?:exhaust|used up|expired)",
    r"exhausted its free",
    r"please (?:recharge|top ?up)|(?:recharge|top ?up) (?:your|the) (?:account|balance)|add (?:more )?funds",
    r"欠费|余额.{0,4}(?:不足|不够|为零|为负|已用|耗尽)",
    r"(?:额度|配额|点数|积分|资源包|套餐|流量包|免费额度).{0,4}(?:不足|不够|已?用[尽完]|耗尽|已?到期|已?过期)",
    r"预扣费.{0,6}失败|(?:账户|账号|帐户|用户).{0,6}(?:没有|无)(?:可用)?(?:余额|额度)|停机",
    r"后付费.{0,6}(?:未开通|关闭)|未付款",
)
"""Only a payment helps, whatever else is said."""
QUOTA_CODES = frozenset(map(plain_code, ("insufficient_quota", "quota_exceeded", "FreeQuotaExceeded")))
REQUEST_CODES = frozenset(
    map(
        plain_code,
        ["invalid_request_error", "invalid_request", "BadRequest", "BadRequestError", "InvalidParameter"],
    )
)
"""Codes that name the request, and that providers put on nearly everything else too: they count without a status."""
NO_CREDIT_PERHAPS = _words(
    r"exceeded your current quota|insufficient.{0,3}quota|quota.{0,20}(?:exhausted|used up)|充值|续费",
)
"""With `QUOTA_CODES`: no credit where nothing tells of a rate; many providers call their limits of a minute a quota."""
RATE_LIMIT = _words(
    r"rate.?limit|too many (?:requests|concurrent)|too frequent|throttl|slow down|concurren|burst|replenish",
    r"(?:requests?|tokens?|queries|calls?)(?: count)? ?(?:per|/) ?(?:min|second|sec|hour|day)",
    r"per.?(?:minute|second|day|hour)",
    r"\b[RTI]P[MDS]\b|\bQP[SM]\b|(?:retry|try again) (?:in|after) [\d.]+|RESOURCE_EXHAUSTED|quota metric",
    r"allocated quota exceeded|rate.?increased.?too",
    r"频[繁率]|并发|限流|限速|流控|流量限制|速率|每[分秒]|请求(?:过多|太多|数.{0,6}(?:超|限|上限))|使用上限",
    r"(?:RPM|TPM|QPS)|\b(?:daily|hourly)\b|[每今当][日天]",
)
OVERLOADED = _words(
    r"over.?load|(?:at|over|exceeded|insufficient|no) capacity|capacity exceeded",
    r"(?:server|system|engine|model|service)s? (?:\w+ ){0,3}busy",
    r"temporarily unavailable|try again later|loading model|model is (?:currently |still )?loading|繁忙|过载|负载",
    r"访问量过大|稍后(?:再试|重试)",
)
BLOCKED = _words(
    r"content (?:management|filter|polic|moderation|inspection|safety|security)|data.?inspection|content exists risk",
    r"inappropriate content|considered high.?risk|high.?risk (?:content|prompt)",
    r"(?<!case[ -])sensitive (?:content|words?|information|material)",
    r"(?:was|were|been|is|input|prompt|content) flagged|flagged (?:by|as|for)",
    r"violat\w+ .{0,60}(?:polic|guideline|safety|terms)",
    r"safety (?:system|filter|polic|check|reason)|prohibited.?content",
    r"blocked .{0,30}(?:safety|content|polic|filter|prompt)|blocklist",
    r"(?:prompt|input|output|request|response) (?:was |is |has been )?(?:blocked|rejected|filtered)"
    r".{0,40}(?:safety|content|polic|filter|moderation|risk)",
    r"jailbreak|illegal (?:prompt|content)|censorship|unsafe content|(?:new_|input |output )sensitive",
    r"(?<!大小写)敏感|不安全|内容.{0,6}(?:安全|审核|违规|违法|风险|不合规)|(?:安全|内容)审[核查]",
    r"审[核查](?:不|未)通过|(?:未|不能|无法)通过.{0,6}审[核查]",
    r"违[规法](?:内容|信息|言论)|不[当良]内容|风险内容|风控|屏蔽词|违禁",
)
BAD_KEY = _words(
    r"(?:invalid|incorrect|wrong|expired|missing|disabled|revoked|unknown|no) (?:\w+ )?"
    r"(?:api.?key|auth\w* (?:token|credentials?)|access token|credentials)",
    r"api.?key.{0,30}(?:invalid|incorrect|not valid|expired|disabled|revoked|not found|missing|required|wrong)",
    r"account.{0,20}(?:deactivated|suspended|disabled|banned|locked|terminated|blocked)",
    r"(?:令牌|密钥|api.?key|apikey|token).{0,8}(?:无效|过期|错误|不正确|不存在|不可用|禁用|失效)",
    r"无效的(?:令牌|密钥|api)",
    r"鉴权失败|认证失败|身份验证|(?:账户|账号|帐号|用户).{0,8}(?:锁定|封禁|冻结|禁用|停用|注销)",
)
PLACE = _words(
    r"(?:country|territory|(?:user|your) (?:region|location)).{0,40}(?:not supported|unsupported|not available)",
    r"(?:not |un)(?:supported|available|allowed)\W{0,3}.{0,20}\bin (?:your|this) (?:country|region|location)",
    r"(?:所在的?|您的|该)(?:国家|地区|区域).{0,12}(?:不支持|不提供|不可用|受限)|不支持.{0,6}(?:国家|所在地区)",
)
NO_MODEL = _words(
    r"model.{0,80}(?:(?:does not|doesn't|not) exist|not found|no longer available|decommissioned)",
    r"model.{0,80}(?:is not (?:available|supported by any|deployed)|has been (?:removed|retired))",
    r"unknown model|no such model|invalid model|no models? (?:is |are )?loaded|try pulling it first",
    r"no available channel|no endpoints? found",
    r"模型.{0,60}(?:不存在|未开通|未找到|已下线|无可用渠道)|无可用渠道|无权(?:访问|使用).{0,10}模型",
)
TOO_LONG = _words(
    r"context.{0,20}(?:length|size|window|limit)|exceeded model token limit"
    r"|exceed_context|max_model_len|maximum model length|context overflow",
    r"(?:prompt|input) (?:is )?too long|too many (?:input )?tokens|input length|(?:maximum|max).{0,20}tokens allowed",
    r"input token count .{0,40}exceeds|range of input length|inputs?` tokens \+|input.{0,20} is too large to process",
    r"reduce the length of|(?:输入|提示|上下文|prompt|文本|内容|tokens?).{0,12}(?:过长|超长|太长)",
    r"超[过出].{0,12}(?:上下文|最大长度|长度限制|最大输入)",
)
TOO_LARGE = _words(r"request too large|input.{0,20} is too large to process")
"""One request alone is beyond the limit, whatever the status: waiting does not help."""
