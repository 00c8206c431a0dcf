"""Trajectories of agents in ATIF, the Agent Trajectory Interchange Format, versions 1.0 to 1.8."""

from __future__ import annotations

import mimetypes
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from factory.data.formats.shapes.base import BadShape, Row
from factory.data.formats.shapes.document import Document, count_lost, schema_of
from factory.data.formats.shapes.taken import Path, Taking, text_of
from factory.data.record import Message, Record

VERSION = "ATIF-v1.8"
"""The version that is written where a record comes from elsewhere."""
_SOURCES = {"system": "system", "user": "user", "agent": "assistant"}
_BACK = {role: source for source, role in _SOURCES.items()}


class Atif(Document):
    """{"schema_version", "agent", "steps"}: a step is a turn, and the answers to its calls stand in it.

    A step that was copied from an earlier trajectory, or that no model wrote (`llm_call_count` of 0), has the weight 0:
    nobody should learn from it. Trajectories of subagents stay beside the conversation.
    """

    name = "atif"
    columns = ("schema_version", "session_id", "trajectory_id", "agent", "steps")

    def matches(self, row: Mapping[str, Any]) -> bool:
        """See `Shape.matches`."""
        version = row.get("schema_version")
        return isinstance(version, str) and version.startswith("ATIF") and isinstance(row.get("steps"), list)

    def take(self, taking: Taking) -> None:
        """See `Document.take`."""
        steps = taking.get(("steps",))
        if not isinstance(steps, list):
            raise BadShape("it has no list of steps: give it the steps of the trajectory")
        if taking.get(("subagent_trajectories",)):
            taking.told.append("trajectories of subagents, left out of the turns")
        for number, step in enumerate(steps):
            role = _SOURCES.get(text_of(step.get("source"))) if isinstance(step, dict) else None
            if role is None:
                raise BadShape(f"step {number + 1} has no source 'system', 'user' or 'agent': give it one")
            _take_step(taking, role, ("steps", number), step)

    def take_tools(self, row: Row, form: dict[str, Any], told: list[str]) -> tuple[Mapping[str, Any], ...]:
        """See `Document.take_tools`; they stand under the agent."""
        agent = row.get("agent")
        tools = agent.get("tool_definitions") if isinstance(agent, dict) else None
        if not (isinstance(tools, list) and tools and all(isinstance(tool, dict) for tool in tools)):
            return ()
        row["agent"] = {key: value for key, value in row["agent"].items() if key != "tool_definitions"}
        return tuple(tools)

    def put_tools(self, row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
        """See `Document.put_tools`."""
        if record.tools:
            agent = row.get("agent")
            listed = [_tool(tool) for tool in record.tools]
            row["agent"] = {**(agent if isinstance(agent, dict) else {}), "tool_definitions": listed}

    def anew(self, record: Record, lost: Counter[str]) -> Row:
        """See `Document.anew`. Calls without ids get some, which the format demands."""
        count_lost(record.messages, lost, "name", "weight", "extra")
        if record.answers:
            lost["answers"] += 1
        steps: list[Row] = []
        waiting: list[str] = []
        for message in record.messages:
            if message.role == "tool":
                if not steps or steps[-1]["source"] != "agent":
                    raise BadShape("a tool's answer follows no step that calls one: write it as messages")
                id = message.call_id or (waiting[0] if waiting else "")
                waiting = [one for one in waiting if one != id]
                result = {**({"source_call_id": id} if id else {}), "content": _content(message, lost)}
                steps[-1].setdefault("observation", {"results": []})["results"].append(result)
                continue
            step: Row = {
                "step_id": len(steps) + 1,
                "source": _BACK[message.role],
                "message": _content(message, lost),
            }
            if message.reasoning and message.role == "assistant":
                step["reasoning_content"] = message.reasoning
            elif message.reasoning:
                lost["reasoning"] += 1
            waiting = [call.id or f"call_{step['step_id']}_{at}" for at, call in enumerate(message.calls, 1)]
            if message.calls:
                step["tool_calls"] = [
                    {"tool_call_id": id, "function_name": call.name, "arguments": _arguments(call.arguments)}
                    for id, call in zip(waiting, message.calls, strict=True)
                ]
            steps.append(step)
        kept = {key: record.meta[key] for key in self.columns if key in record.meta and key != "steps"}
        made = {
            "schema_version": VERSION,
            "trajectory_id": record.id,
            "agent": {"name": "unknown", "version": "unknown"},
        }
        return {**(kept if "agent" in kept else made), "steps": steps}


def _take_step(taking: Taking, role: str, here: Path, step: Mapping[str, Any]) -> None:
    learned = step.get("is_copied_context") is not True and step.get("llm_call_count") != 0
    weight = None if learned or role != "assistant" else 0.0
    at = taking.begin(role, weight=weight)
    _take_content(taking, at, (*here, "message"))
    taking.take(at, "reasoning", (*here, "reasoning_content"))
    calls = step.get("tool_calls")
    for number in range(len(calls) if isinstance(calls, list) else 0):
        one = (*here, "tool_calls", number)
        taking.call(at, (*one, "function_name"), (*one, "arguments"), (*one, "tool_call_id"))
    results = taking.get((*here, "observation", "results"))
    if role != "assistant" and results:
        taking.told.append("what was observed in a step that is no agent's, left out of the turns")
        return
    for number, result in enumerate(results if isinstance(results, list) else ()):
        if not isinstance(result, dict):
            raise BadShape(f"an observation of step {here[-1] + 1} is no object: rewrite it so")  # type: ignore[operator]
        one = (*here, "observation", "results", number)
        answer = taking.begin("tool")
        taking.take(answer, "call_id", (*one, "source_call_id"))
        _take_content(taking, answer, (*one, "content"))


def _take_content(taking: Taking, at: int, path: Path) -> None:
    content = taking.get(path)
    if isinstance(content, str):
        taking.take(at, "content", path)
    for number, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            taking.take(at, "content", (*path, number, "text"))
        elif not taking.media(
            at, kind if kind in ("image", "audio", "video") else "file", (*path, number, "source", "path")
        ):
            taking.told.append(
                "a part of a turn's content of a kind that is not known, left out of the turns"
            )


def _content(message: Message, lost: Counter[str]) -> Any:
    if not message.media:
        return message.content
    parts: list[Row] = []
    done = 0
    for media in (*message.media, None):
        end = len(message.content) if media is None else media.at
        if end > done:
            parts.append({"type": "text", "text": message.content[done:end]})
            done = end
        if media is None:
            continue
        sort = mimetypes.guess_type(media.uri)[0]
        if media.kind not in ("image", "audio") or media.uri.startswith("data:") or sort is None:
            lost["media"] += 1
        else:
            parts.append({"type": media.kind, "source": {"media_type": sort, "path": media.uri}})
    return parts


def _arguments(text: str) -> Row:
    try:
        value = orjson.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadShape(
            "a call's arguments are no object of JSON, which ATIF needs: mend them, or remove the call"
        )
    return value


def _tool(tool: Mapping[str, Any]) -> Row:
    """A tool in OpenAI's spelling, which ATIF uses."""
    if "function" in tool:
        return dict(tool)
    name, said, parameters = schema_of(tool)
    function = {"name": name, "description": said, "parameters": parameters}
    return {
        "type": "function",
        "function": {key: value for key, value in function.items() if value is not None},
    }
