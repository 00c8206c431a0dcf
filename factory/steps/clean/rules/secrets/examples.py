"""What standards and vendors print as examples: nobody's, and told apart from what is somebody's."""

from __future__ import annotations

EXAMPLE_DOMAINS = ("example", "test", "invalid", "localhost", "local")
"""Last labels of domains that nobody can have (RFC 2606, RFC 6761)."""
EXAMPLE_NAMES = frozenset(
    {
        "example", "example1", "example2", "sample", "domain", "yourdomain", "mydomain", "email", "company",
        "somecompany", "yourcompany", "mycompany", "abc", "xyz", "xx", "xxx", "xxxx", "test", "foo", "bar",
        "acme", "mail",
    }
)  # fmt: skip
"""Names of domains for documents: that of RFC 2606, and what people write in its place."""
EXAMPLE_MAILBOXES = frozenset(
    {
        "example", "user", "username", "you", "your", "yourname", "youremail", "myemail", "me", "name", "email",
        "mail", "test", "foo", "bar", "abc", "xxx", "someone", "sender", "recipient", "receiver", "to", "from",
        "noreply", "johndoe", "janedoe", "jdoe",
    }
)  # fmt: skip
"""Mailboxes of nobody, without signs between and digits behind; what begins with "your" or "my" and a sign is one."""

TEST_CARDS = frozenset(
    {
        "4242424242424242", "4111111111111111", "4012888888881881", "4000056655665556", "4222222222222",
        "4000002500003155", "4000000000000002", "4917610000000000",
        "5555555555554444", "5105105105105100", "2223003122003222", "5200828282828210", "5454545454545454",
        "378282246310005", "371449635398431", "378734493671000",
        "6011111111111117", "6011000990139424", "3056930009020004", "30569309025904", "38520000023237",
        "3566002020360505", "3530111333300000", "6200000000000005", "6205500000000000004",
    }
)  # fmt: skip
"""Numbers that Stripe, PayPal, Adyen and Braintree print for tests."""

TEST_IBANS = frozenset(
    {
        "GB29NWBK60161331926819", "GB82WEST12345698765432", "GB33BUKB20201555555555", "DE89370400440532013000",
        "DE91100000000123456789", "FR1420041010050500013M02606", "CH9300762011623852957", "NL91ABNA0417164300",
        "ES9121000418450200051332", "IT60X0542811101000000123456", "BE68539007547034", "AT611904300234573201",
        "SE4550000000058398257466", "NO9386011117947", "DK5000400440116243", "PL61109010140000071219812874",
        "IE29AIBK93115212345678", "PT50000201231234567890154", "SA0380000000608010167519",
    }
)  # fmt: skip
"""The examples of the IBAN registry (SWIFT) and of textbooks."""

EXAMPLE_IDS = frozenset(
    {
        "11010519491231002X", "440524188001010014", "078051120", "219099999", "123456789", "111111111", "457555462",
        "A123456789", "A123456(7)", "12345678909", "11144477735",
    }
)  # fmt: skip
"""GB 11643's examples, numbers that the Social Security Administration withdrew, and what handbooks print."""

EXAMPLE_PHONES = frozenset(
    {"13800138000", "13912345678", "13812345678", "13800000000", "13900000000", "18888888888"}
)
"""Numbers of a carrier's own, and what Chinese forms print in the field."""

PUBLIC_RESOLVERS = frozenset(
    {
        "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "208.67.222.222", "208.67.220.220",
        "114.114.114.114", "114.114.115.115", "223.5.5.5", "223.6.6.6", "180.76.76.76", "119.29.29.29",
    }
)  # fmt: skip
"""Name servers for all the world, of Google, Cloudflare, Quad9, OpenDNS, 114DNS, Alibaba, Baidu and Tencent."""

EXAMPLE_KEYS = ("EXAMPLE", "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9l")
"""Parts of keys that are examples: those of AWS's pages, and the payload of jwt.io's."""

ANYBODY = frozenset(
    {
        "johndoe", "janedoe", "admin", "administrator", "all", "app", "azureuser", "bar", "centos", "circleci",
        "coder", "codespace", "current_user", "debian", "default", "deploy", "dev", "docker", "ec2-user",
        "everyone", "fedora", "foo", "git", "gitpod", "guest", "hadoop", "jenkins", "jovyan", "linuxbrew", "me",
        "myname", "mysql", "myuser", "myusername", "name", "node", "oracle", "path", "path_to", "pi", "postgres",
        "public", "root", "runner", "runneradmin", "sandbox", "shared", "some_user", "somebody", "student",
        "test", "tester", "testuser", "travis", "ubuntu", "user", "user_name", "username", "users", "vagrant",
        "vscode", "web", "www", "xxx", "you", "your-username", "your_name", "your_username", "yourname",
        "yourself", "youruser", "yourusername", "你的用户名", "您的用户名", "用户", "用户名",
    }
)  # fmt: skip
"""Home folders of no person in particular."""
