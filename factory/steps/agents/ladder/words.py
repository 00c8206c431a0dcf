"""Words that fit most instructions: what a keyword that is asked for, counted or forbidden is drawn from."""

_ENGLISH = """
    although balance because benefit careful change choice clear common compare consider daily detail
    different early example experience finally future general growth habit however important instead later
    learn likely measure method moment natural often perhaps popular practice problem process quality
    reason result several simple solution step support therefore together useful usually variety whenever
"""
ENGLISH = tuple(_ENGLISH.split())
_CHINESE = """
    因此 例如 其实 首先 最后 不过 同时 往往 逐渐 尤其 细节 经验 方法 过程 结果 原因 习惯 选择 变化 平衡
    简单 重要 自然 日常 未来 机会 问题 关键 质量 效果 步骤 支持 比较 常见 清楚 耐心 努力 合适 稳定 丰富 明显 具体
"""
CHINESE = tuple(_CHINESE.split())
