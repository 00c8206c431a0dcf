"""The methods of a `Dataset`, one for each step that ships with factory.

Written by `make stub` from the steps' classes; not to be edited.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from langchain_core.language_models import BaseChatModel

from factory.api.dataset import Dataset
from factory.models.options import ModelOptions

Model: TypeAlias = str | Mapping[str, Any] | ModelOptions | BaseChatModel
"""A model's name, its options, what `factory.model(...)` gives, or a LangChain chat model."""

class StepMethods:
    def assemble(
        self,
        *,
        size: int | None = None,
        balance: Literal["", "task", "lang", "source"] = "",
        unlabelled: Literal["share", "rest", "drop"] = "share",
        score: str = "",
        ties: Literal["", "drawn", "order"] = "",
    ) -> Dataset:
        """Choose the final set: so many records, balanced over a field, best score first.

        Args:
            size (int | none, >= 1, default null): number of records to choose; none: all that have an
                answer
            balance ("" | task | lang | source, default ""): the field whose values get equal shares
            unlabelled (share | rest | drop, default "share"): what records without a value of `balance`
                get: a share as a value of their own, the rest that the others leave, or nothing
            score (str, default ""): the score that puts records first, such as "judge.quality"; empty:
                the only judge score where there is exactly one, else the order of the set
            ties ("" | drawn | order, default ""): which of equals go first: drawn by the seed, or by the
                order of the set; empty: drawn where there is a score
        """

    def backtranslate(
        self,
        *,
        model: Model = "",
        judge: Model = "",
        keep: int = 5,
        least_words: int = 20,
        max_words: int = 1000,
        temperature: float = 0.7,
        max_tokens: int = 256,
        judge_max_tokens: int = 512,
    ) -> Dataset:
        """Write the instruction that a text is the answer to, and keep the pairs that a model grades
        highest (Humpback).

        Args:
            model (str, default ""): The chat model that writes the instruction.
            judge (str, default ""): The chat model that grades the pair; the one that writes, if not
                given.
            keep (int, >= 1, <= 5, default 5): The least grade that is kept; the paper keeps 5.
            least_words (int, >= 1, default 20): A text of fewer words, or Chinese characters, is no
                answer to learn from ("too_short").
            max_words (int, >= 1, default 1000): A text of more words, or Chinese characters, is let go
                ("too_long").
            temperature (float, >= 0, default 0.7): Sampling temperature of the instruction; the grade is
                greedy.
            max_tokens (int, >= 1, default 256): Most tokens of an instruction.
            judge_max_tokens (int, >= 1, default 512): Most tokens of the grade and its reason.
        """

    def chunk(
        self,
        *,
        size: int = 512,
        by: Literal["size", "headings"] = "size",
        overlap: int = 0,
        tokenizer: str = "",
    ) -> Dataset:
        """Cut each document into chunks of whole sentences that fit a model's context.

        Args:
            size (int, >= 16, default 512): most tokens of a chunk
            by (size | headings, default "size"): size: chunks as large as may be; headings: one for each
                section, more where it is larger
            overlap (int, >= 0, <= 50, default 0): sentences that a chunk repeats of the one before it,
                where they fit
            tokenizer (str, default ""): the model's tokenizer.json, or the folder that holds it, to count
                tokens by; empty: an estimate, a quarter of a token for an ASCII character and 0.7 for any
                other
        """

    def clean(
        self,
        *,
        profile: str = "report",
        rules: Mapping[str, Literal["off", "report", "mark", "mend", "drop"]] = ...,
        only: Sequence[str] = ...,
        own: Sequence[str] | None = None,
        licenses: str | None = None,
        dates: str | None = None,
        harm_words: str | Path | None = None,
    ) -> Dataset:
        """Find faults in rows by named rules: report them, mark or mend the rows, or drop them.

        Args:
            profile (str, default "report"): a profile that comes with factory (report, mend, strict), or
                a file
            rules (mapping of str to off | report | mark | mend | drop, default {}): what rules do in
                place of what the profile says, by their name or their group's
            only (list of str, default []): these rules alone, or those of these groups
            own (list of OwnRule | none, default null): rules of your own in place of the profile's
            licenses (Licenses | none, default null): licences to allow or deny in place of the profile's
            dates (Dates | none, default null): the wanted dates of a column in place of the profile's
            harm_words (Path | none, default null): a file of words, one a line, in place of the profile's
        """

    def conflicts(
        self,
        *,
        by: str = "task",
        near: Literal["rouge", "minhash", "semantic"] = "rouge",
        threshold: float | None = None,
        judge: Literal["model", "exact"] = "model",
        model: Model = "",
        embedder: Model = "",
        places: bool = True,
        then: Literal["show", "drop", "route"] = "show",
        score: str = "",
        max_tokens: int = 512,
    ) -> Dataset:
        """Show where groups of the set conflict: in form, in place, and in near-identical questions
        answered otherwise.

        Args:
            by (str, default "task"): the column of the groups: task, lang, source, or your own
            near (rouge | minhash | semantic, default "rouge"): by what prompts are near: words, passages
                or meaning
            threshold (float | none, >= 0, < 1, default null): above it two prompts are near; none: that
                of the dedup step of the measure
            judge (model | exact, default "model"): who says whether answers contradict: exact ones by
                themselves, then a model or nobody
            model (str, default ""): the chat model that judges
            embedder (str, default ""): the embedding model; by default the only one, else the embedded
                one
            places (bool, default true): tell how far the groups' prompts overlap, which embeds up to 500
                of each
            then (show | drop | route, default "show"): what becomes of a contradiction
            score (str, default ""): the score by which `then: drop` keeps the better; empty: the earlier
                stays
            max_tokens (int, >= 1, default 512): most tokens of the judge's reason and verdict
        """

    def constrain(
        self,
        *,
        model: Model = "",
        levels: int = 5,
        categories: Sequence[Literal["content", "situation", "style", "format", "example", "mixed"]] = ...,
        by: Literal["both", "code", "model"] = "both",
        kinds: Sequence[str] = ...,
        constraints: str = "",
        reword: bool = False,
        answer: bool = False,
        tries: int = 2,
        keep_parents: bool = True,
        temperature: float = 0.7,
        max_tokens: int = 256,
        answer_max_tokens: int = 2048,
    ) -> Dataset:
        """Add constraints to each instruction one at a time, a ladder of levels (FollowBench), and answer
        each if asked.

        Args:
            model (str, default ""): The chat model that writes, rewords and answers.
            levels (int, >= 1, <= 20, default 5): How many constraints are added, one a level.
            categories (list of content | situation | style | format | example | mixed, default
                ["content", "situation", "style", "format", "example", "mixed"]): The categories that take
                turns.
            by (both | code | model, default "both"): Which constraints: those that code can check, those
                that a model writes and judges, or either with equal chances where a category has both.
            kinds (list of str, default []): Kinds to draw from, such as length_constraints:number_words;
                empty: all that code can check.
            constraints (str, default ""): A file of constraints to draw from in place of the kinds: rows
                such as {"kind": "startend:end_checker", "arguments": {"end_phrase": "Over."}}.
            reword (bool, default false): Have the model say a checkable constraint in other words.
            answer (bool, default false): Answer each level.
            tries (int, >= 1, default 2): How often the model is asked for the constraint of one level.
            keep_parents (bool, default true): Give the original record on too, before its levels.
            temperature (float, >= 0, default 0.7): Sampling temperature of writing, rewording and
                answering.
            max_tokens (int, >= 1, default 256): Most tokens of a constraint.
            answer_max_tokens (int, >= 1, default 2048): Most tokens of an answer.
        """

    def continue_conversation(
        self,
        *,
        model: Model = "",
        judge: Model = "",
        assistant: Model = "",
        depends: bool | Literal["any"] = True,
        from_template: bool = False,
        answer: bool = True,
        tries: int = 1,
        keep_parents: bool = False,
        repeated: float = 0.9,
        user_temperature: float = 1.0,
        temperature: float = 0.7,
        user_max_tokens: int = 384,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Write the next user turn of each conversation, with or without dependence on what was said, and
        answer it.

        Args:
            model (str, default ""): The chat model that writes the user's turn.
            judge (str, default ""): The chat model that says whether the turn can be answered alone.
            assistant (str, default ""): The chat model that answers the turn.
            depends (bool | any, default true): Whether the turn must depend on what was said before
                (true), must not (false), or may (any).
            from_template (bool, default false): Draw the turn from the model's own chat template in place
                of asking for it.
            answer (bool, default true): Answer the turn too; without it the conversation waits for an
                answer.
            tries (int, >= 1, default 1): Most turns that are drawn until one is kept.
            keep_parents (bool, default false): Give the conversation as it was on too, before the longer
                one.
            repeated (float, > 0, <= 1, default 0.9): The ROUGE-L F with an earlier turn from which on the
                user's turn is a repetition.
            user_temperature (float, >= 0, default 1.0): Sampling temperature of the user's turn; the
                judge is asked at 0.
            temperature (float, >= 0, default 0.7): Sampling temperature of the answer.
            user_max_tokens (int, >= 1, default 384): Most tokens of the user's turn, and of the judge's
                reply.
            max_tokens (int, >= 1, default 1024): Most tokens of the answer.
        """

    def converse(
        self,
        *,
        user: Model = "",
        assistant: Model = "",
        judge: Model = "",
        turns: Sequence[int] = ...,
        begin_with_goal: bool = False,
        check_goal: bool = True,
        repeated: float = 0.9,
        user_temperature: float = 1.0,
        temperature: float = 0.7,
        plan_max_tokens: int = 768,
        user_max_tokens: int = 384,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Have a user agent and an assistant agent hold a conversation about each record's instruction,
        its goal.

        Args:
            user (str, default ""): The chat model that plans and plays the user.
            assistant (str, default ""): The chat model that plays the assistant.
            judge (str, default ""): The chat model that says whether a conversation is about its goal.
            turns (list of int, default [2, 10]): The least and the most exchanges, of a user's turn and
                its answer each.
            begin_with_goal (bool, default false): Have the record's instruction stand as the first user
                turn, word for word.
            check_goal (bool, default true): Have a model judge whether what is kept is about the goal.
            repeated (float, > 0, <= 1, default 0.9): The ROUGE-L F with an earlier turn from which on a
                turn is a repetition.
            user_temperature (float, >= 0, default 1.0): Sampling temperature of the user agent and its
                plan.
            temperature (float, >= 0, default 0.7): Sampling temperature of the assistant.
            plan_max_tokens (int, >= 1, default 768): Most tokens of a plan.
            user_max_tokens (int, >= 1, default 384): Most tokens of a user's turn, and of the judge's
                reply.
            max_tokens (int, >= 1, default 1024): Most tokens of an assistant's turn.
        """

    def decontaminate(
        self,
        *,
        against: Mapping[str, str] = ...,
        reference: str | Sequence[str] = ...,
        field: Literal["all", "instruction", "prompt", "output", "both"] = "all",
        ngram: int = 13,
        common: int = 10,
        coverage: float = 0.5,
        edits: float = 0.3,
        rephrased: Literal["no", "similar", "judged"] = "no",
        similarity: float | None = None,
        neighbours: int = 3,
        embedder: Model = "",
        judge: Model = "",
    ) -> Dataset:
        """Drop a record that holds an item of a benchmark: whole, in part, or lightly edited.

        Args:
            against (mapping of str to str, default {}): name and file of each benchmark, such as {gsm8k:
                test.jsonl}; a folder or a pattern too, or hf:org/name
            reference (str | list of str, default []): records held out of training, whose prompts are
                looked for as a benchmark's items are: a file of records, a pattern, the folder of a run
                or of an earlier export, hf:org/name or hf:org/name@tag for a data set on the Hugging Face
                hub, or `factory:seeds`; or a list of these
            field (all | instruction | prompt | output | both, default "all"): the text searched: all
                turns, or of the last exchange the instruction, the prompt (instruction and input), the
                output, or both (prompt and output)
            ngram (int, >= 8, default 13): words in a row that are a leak
            common (int, >= 1, default 10): lineages (seeds with all that was made from them) that may
                share a passage of an item; one that more of them have is a phrase and no leak
            coverage (float, > 0, <= 1, default 0.5): share of an item's own words above which it is a
                leak
            edits (float, >= 0, < 1, default 0.3): share of an item's words, numbers among them, that a
                near copy may differ by
            rephrased (no | similar | judged, default "no"): look for rephrased and translated items too,
                by embedding alone or with a judge
            similarity (float | none, >= -1, <= 1, default null): least cosine of a text and an item near
                to it; by default 0.86 with a judge, 0.92 without, which suit the embedded model
            neighbours (int, >= 1, <= 100, default 3): items near to a record that the judge is shown, at
                most
            embedder (str, default ""): the embedding model that finds the nearest items
            judge (str, default ""): the chat model that says whether two are the same problem
        """

    def dedup_exact(
        self,
        *,
        field: Literal["instruction", "prompt", "output", "both"] = "prompt",
        reference: str | Sequence[str] = ...,
    ) -> Dataset:
        """Drop a record whose text is the same as that of one kept before it.

        Args:
            field (instruction | prompt | output | both, default "prompt"): the text compared: the
                instruction, the prompt (instruction and input), each with the tools that the answer
                calls, the output, or both (prompt and output, each the same)
            reference (str | list of str, default []): records that count as kept before all others: a
                file of records, a pattern, the folder of a run or of an earlier export, hf:org/name or
                hf:org/name@tag for a data set on the Hugging Face hub, or `factory:seeds`; or a list of
                these
        """

    def dedup_minhash(
        self,
        *,
        threshold: float = 0.8,
        field: Literal["instruction", "prompt", "output", "both"] = "prompt",
        reference: str | Sequence[str] = ...,
        shingle: int = 5,
        num_perm: int = 128,
        seed: int | None = None,
    ) -> Dataset:
        """Drop a long text that shares most of its passages with one kept before it.

        Args:
            threshold (float, > 0, < 1, default 0.8): largest Jaccard similarity of shingles that two kept
                records may have
            field (instruction | prompt | output | both, default "prompt"): the text compared: the
                instruction, the prompt (the instruction, and the input apart), each with the tools that
                the answer calls, the output, or both (prompt and output)
            reference (str | list of str, default []): records that count as kept before all others: a
                file of records, a pattern, the folder of a run or of an earlier export, hf:org/name or
                hf:org/name@tag for a data set on the Hugging Face hub, or `factory:seeds`; or a list of
                these
            shingle (int, >= 1, <= 50, default 5): words of a shingle
            num_perm (int, >= 16, <= 4,096, default 128): numbers of a sketch: more find more near the
                threshold, and cost more
            seed (int | none, >= 0, < 4,294,967,296, default null): seed of the hash functions and of the
                sample; by default the run's
        """

    def dedup_rouge(
        self,
        *,
        threshold: float = 0.7,
        field: Literal["instruction", "prompt", "output", "both"] = "prompt",
        reference: str | Sequence[str] = ...,
        scope: Literal["set", "task"] = "set",
        guard: Sequence[Literal["numbers", "units", "negation", "opposites", "operators"]] = ...,
        engine: Literal["local", "ray"] = "local",
        workers: int = 1,
        check: int = 0,
    ) -> Dataset:
        """Drop a record whose text is too close, word for word, to one kept before it.

        Args:
            threshold (float, > 0, <= 1, default 0.7): largest ROUGE-L F that two kept records may have
            field (instruction | prompt | output | both, default "prompt"): the text compared: the
                instruction, the prompt (the instruction, where the inputs are the same), each with the
                tools that the answer calls, the output, or both (prompt and output)
            reference (str | list of str, default []): records that count as kept before all others: a
                file of records, a pattern, the folder of a run or of an earlier export, hf:org/name or
                hf:org/name@tag for a data set on the Hugging Face hub, or `factory:seeds`; or a list of
                these
            scope (set | task, default "set"): what a record is compared with: the whole set, or the
                records of its own task
            guard (list of numbers | units | negation | opposites | operators, default []): records that
                differ in one of these are no duplicates: numbers, units, negation, opposites (min and
                max, the languages of a translation), operators (== and !=); by lists of words, English
                and Chinese
            engine (local | ray, default "local"): where it is compared: in this process, or by Ray, on
                the cluster at RAY_ADDRESS or else started here; the result is the same
            workers (int, >= 1, default 1): threads that compare, or processors for a Ray started here;
                the result is the same
            check (int, >= 0, default 0): so many random decisions, half of them drops, to decide again
                with the package rouge-score, and to tell how many it decides alike; takes 0.2 ms for two
                short texts, a second for two of 2,000 words
        """

    def dedup_semantic(
        self,
        *,
        threshold: float = 0.95,
        field: Literal["instruction", "prompt", "output", "both"] = "prompt",
        model: Model = "",
        keep: Literal["first", "best"] = "first",
        score: str = "",
        method: Literal["greedy", "semdedup"] = "greedy",
        semdedup_keep: Literal["hard", "easy", "random"] = "hard",
        semdedup_rows: int = 200000,
        approximate: bool = False,
        reference: str | Sequence[str] = ...,
        guard: Sequence[Literal["numbers", "units", "negation", "opposites", "operators"]] = ...,
        engine: Literal["local", "ray"] = "local",
        workers: int = 1,
    ) -> Dataset:
        """Drop a record whose meaning is too close to one kept before it.

        Args:
            threshold (float, >= -1, <= 1, default 0.95): largest cosine that two kept records may have
            field (instruction | prompt | output | both, default "prompt"): the text compared: the
                instruction, the prompt (the instruction, where the inputs are the same), each with the
                tools that the answer calls, the output, or both (prompt and output)
            model (str, default ""): the embedding model; by default the only one, else the embedded one
            keep (first | best, default "first"): which of a family stays: the first of the set, or the
                best by `score`
            score (str, default ""): the name of the score that `keep: best` goes by
            method (greedy | semdedup, default "greedy"): greedy: compare with every record kept before;
                semdedup: within clusters
            semdedup_keep (hard | easy | random, default "hard"): which of a family `method: semdedup`
                keeps: the one least like its cluster's centre (hard), most like it (easy), or any
            semdedup_rows (int, >= 1, default 200000): records that the clusters of `method: semdedup` are
                found from, at most; random ones where there are more
            approximate (bool, default false): look for close records in an inverted file, which misses
                some, and tell the recall
            reference (str | list of str, default []): records that count as kept before all others: a
                file of records, a pattern, the folder of a run or of an earlier export, hf:org/name or
                hf:org/name@tag for a data set on the Hugging Face hub, or `factory:seeds`; or a list of
                these
            guard (list of numbers | units | negation | opposites | operators, default []): records that
                differ in one of these are no duplicates: numbers, units, negation, opposites (min and
                max, the languages of a translation), operators (== and !=); by lists of words, English
                and Chinese
            engine (local | ray, default "local"): where it is compared exactly: in this process, or by
                Ray, on the cluster at RAY_ADDRESS or else started here; the result is the same
            workers (int, >= 1, default 1): threads that compare exactly, or processors for a Ray started
                here; the result is the same
        """

    def deita(
        self,
        *,
        model: Model = "",
        keep: str | None = None,
    ) -> Dataset:
        """Score complexity and quality, 1 to 6 each, as expectations over a model's next token, and their
        product.

        Args:
            model (str, default ""): The chat model that grades; it must tell log-probabilities.
            keep (Condition | none, default null): Condition that the score "deita" must meet for its
                record to be kept, such as ">= 12"; without it all are.
        """

    def evolve(
        self,
        *,
        model: Model = "",
        rounds: int = 4,
        operations: Sequence[Literal["add_constraints", "deepen", "concretize", "increase_reasoning", "complicate_input", "breadth", "code_constraints", "code_rarer", "code_reasoning", "code_misdirect", "code_complexity", "depth", "code"]] | Mapping[str, float] = ...,
        by_round: Mapping[int, Sequence[str] | Mapping[str, float]] = ...,
        tasks: Mapping[str, Sequence[str] | Mapping[str, float]] = ...,
        tries: int = 1,
        max_words: int | None = None,
        max_demands: int | None = None,
        keep_language: bool = False,
        show_conversation: bool = False,
        check_gain: bool = True,
        keep_parents: bool = True,
        temperature: float = 1.0,
        top_p: float = 0.95,
        max_tokens: int = 1024,
        answer_max_tokens: int = 2048,
    ) -> Dataset:
        """Evolve each instruction over several rounds into harder or rarer ones, and answer them (Evol-
        Instruct).

        Args:
            model (str, default ""): The chat model that evolves, answers and judges the gain.
            rounds (int, >= 1, default 4): Rounds of evolution; each gives one child, kept or dropped.
            operations (list of add_constraints | deepen | concretize | increase_reasoning |
                complicate_input | breadth | code_constraints | code_rarer | code_reasoning |
                code_misdirect | code_complexity | depth | code | mapping of str to float, default
                ["add_constraints", "deepen", "concretize", "increase_reasoning", "complicate_input",
                "breadth"]): The operations to choose from, each as likely as the others, or a mapping of
                each to its weight.
            by_round (mapping of int to list of str | mapping of str to float, default {}): Other
                operations from a round on, until the next one named, such as {3: {breadth: 1, deepen:
                2}}.
            tasks (mapping of str to list of str | mapping of str to float, default {}): Operations of
                their own for the records of a task, in all rounds, such as {code: code}.
            tries (int, >= 1, <= 20, default 1): Most children asked for in a round: after one that is let
                go, another.
            max_words (int | none, >= 1, default null): Most words, or Chinese characters, of an evolved
                instruction.
            max_demands (int | none, >= 1, default null): Most demands of an evolved instruction: its
                clauses that ask for something, counted by rule.
            keep_language (bool, default false): Let a child go that is not in its parent's language, or
                whose answer is not in its own, as their scripts tell.
            show_conversation (bool, default false): Show the model the turns before the one that it
                evolves.
            check_gain (bool, default true): Have the model judge whether a child brings an information
                gain over its parent.
            keep_parents (bool, default true): Give the original record on too, before its children, as
                the paper merges the seeds and all rounds.
            temperature (float, >= 0, default 1.0): Sampling temperature of evolving and answering; the
                gain is judged at 0.
            top_p (float, > 0, <= 1, default 0.95): Nucleus of evolving and answering: the most likely
                tokens that have this probability together.
            max_tokens (int, >= 1, default 1024): Most tokens of an evolved instruction.
            answer_max_tokens (int, >= 1, default 2048): Most tokens of an answer.
        """

    def explore(
        self,
        *,
        model: Model = "",
        domain: str = "",
        language: str = "",
        size: int | None = None,
        depth: int = 2,
        breadth: Sequence[int] = ...,
        subtasks: int = 3,
        instructions: int = 5,
        threshold: float = 0.7,
        plan: str | Path | None = None,
        grow: bool = False,
        plan_from: Literal["", "tags"] = "",
        tags: str | Path | None = None,
        until: Literal["full", "once"] = "full",
        dry_rounds: int = 2,
        answer: bool = False,
        temperature: float = 1.0,
        max_tokens: int = 1024,
        answer_max_tokens: int = 2048,
    ) -> Dataset:
        """Explore a domain as a tree of tasks and write instructions for each, up to planned counts
        (Explore-Instruct).

        Args:
            model (str, default ""): The chat model that names tasks and writes instructions, and answers.
            domain (str, default ""): What to explore, in a few words of the language that the records are
                to be in.
            language (str, default ""): Language of names and instructions, such as en or zh; by default
                that of the domain.
            size (int | none, >= 1, <= 1,000,000, default null): Records wanted in all; by default what
                the plan's counts come to, or 100. Leaves without a count share what the others leave.
            depth (int, >= 0, <= 8, default 2): Levels of tasks below the domain (K); 0 asks for
                instructions of the domain alone.
            breadth (list of int, default [8, 6]): Most sub-tasks of a task, level by level; the last
                number counts for all levels below (B).
            subtasks (int, >= 1, <= 50, default 3): Most sub-tasks asked for in one call (M).
            instructions (int, >= 1, <= 50, default 5): Most instructions asked for in one call.
            threshold (float, > 0, <= 1, default 0.7): Largest ROUGE-L F that two names, or two
                instructions, may have.
            plan (Path | none, default null): A coverage plan to take in place of exploring: a file of
                YAML or JSON such as `plan.yaml` of an earlier run.
            grow (bool, default false): Explore the plan's tree further, by lookahead and backtracking,
                before instructions are written.
            plan_from ("" | tags, default ""): What else to make the plan from: the tags of a pool, whose
                gaps it is to fill.
            tags (Path | none, default null): The tag map of the pool, as `normalize_tags` writes it; by
                default the tags of the records that come in.
            until (full | once, default "full"): Ask until all counts are full or the tasks are dry, or
                only once for each task.
            dry_rounds (int, >= 1, default 2): So many calls for a task that bring no sub-task, or rounds
                that are dry of instructions, give it up.
            answer (bool, default false): Answer each instruction too; `respond` does it as well, and
                streams.
            temperature (float, >= 0, default 1.0): Sampling temperature of names, instructions and
                answers.
            max_tokens (int, >= 1, default 1024): Most tokens of a reply with names or instructions.
            answer_max_tokens (int, >= 1, default 2048): Most tokens of an answer.
        """

    def export(
        self,
        *,
        formats: Sequence[Literal["messages", "alpaca", "sharegpt", "parquet", "openai", "preference", "dpo", "openai_preference", "prompt_completion", "kto", "source"]] = ...,
        reasoning: Literal["field", "think", "none"] = "field",
        carry: Sequence[str] = ...,
        reasoning_tokens: int | None = None,
        twins: bool = False,
        parts: bool = True,
        shard_rows: int | None = None,
        shard_megabytes: int = 500,
    ) -> Dataset:
        """Write the records that live as training data, in the formats asked for.

        Args:
            formats (list of messages | alpaca | sharegpt | parquet | openai | preference | dpo |
                openai_preference | prompt_completion | kto | source, default ["parquet", "messages"]):
                the formats to write, one folder each
            reasoning (field | think | none, default "field"): what a model thought: as a field of its own
                (reasoning_content), in <think> tags before the text, or not at all
            carry (list of str, default []): columns that travel with each row: license, source, and the
                user's own (id, url, ...); a name that the format has itself is written as meta.NAME
            reasoning_tokens (int | none, >= 1, default null): most tokens, about, of what a model
                thought; the rest of it is cut off
            twins (bool, default false): write each record that has thoughts a second time without them,
                and mark both
            parts (bool, default true): write a file for each part that the columns split, stage and
                expert name; false: one file
            shard_rows (int | none, >= 1, default null): most rows of a Parquet file; more go into files
                named -00000-of-00003 and so on
            shard_megabytes (int, >= 1, default 500): megabytes from which a Parquet file gets no more
                rows, and another is begun
        """

    def fit(
        self,
        *,
        model: Model = "",
        choose: Literal["grape", "rsr", "none"] = "none",
        template: Literal["chat"] | Literal["bare", "alpaca"] = "chat",
        reasoning: bool = True,
        max_length: int = 4096,
        rank_clip: int = 100,
        perturbations: int = 0,
    ) -> Dataset:
        """Score how well each of a record's answers fits a student model: by likelihood (GRAPE) and by
        ranks (RSR).

        Args:
            model (str, default ""): The student: the model that is to be trained, as it is now.
            choose (grape | rsr | none, default "none"): Make the answer that fits best the record's: with
                the highest GRAPE, or the lowest RSR; none: score alone.
            template (chat | bare | alpaca, default "chat"): What the answer is read behind: the prompt in
                the student's own chat template, or bare or in Alpaca's whatever it has; the scores are
                then "grape.bare", "rsr.alpaca", ...
            reasoning (bool, default true): Read what a model thought before its answer, in <think> tags,
                as part of the answer.
            max_length (int, >= 2, default 4096): Tokens of prompt and answer that are read; the rest is
                cut off.
            rank_clip (int, >= 2, default 100): The rank that a token has at most, in RSR; the authors' is
                100.
            perturbations (int, >= 0, <= 50, default 0): Read the record's answer also behind so many
                prompts that lack a fifth of their last turn's words, drawn by the seed, for
                "prompt_uncertainty"; each is a pass more. The authors take 10.
        """

    def from_code(
        self,
        *,
        model: Model = "",
        size: int = 100,
        threshold: float = 0.7,
        answer: bool = True,
        calls: int = 32,
        patience: int = 3,
        overask: int = 4,
        keep_seeds: bool = True,
        temperature: float = 1.0,
        top_p: float = 0.95,
        max_tokens: int = 1024,
        answer_max_tokens: int = 1024,
        field: Literal["fenced", "prompt", "output"] = "fenced",
        language: Literal["en", "zh"] | None = None,
    ) -> Dataset:
        """Have pieces of real code inspire programming problems with their solutions (OSS-Instruct).

        Args:
            model (str, default ""): The chat model that writes the tasks and answers them.
            size (int, >= 1, default 100): New tasks to keep.
            threshold (float, > 0, <= 1, default 0.7): The ROUGE-L F with any task before it from which on
                a task is not new.
            answer (bool, default true): Answer each task too; without it they go on as they are, for
                `respond`.
            calls (int, >= 1, default 32): Most calls for new tasks in one round, side by side.
            patience (int, >= 1, default 3): Rounds in a row that keep nothing, after which it ends.
            overask (int, >= 1, default 4): It ends after so many times the calls for tasks that would do
                if every task were kept.
            keep_seeds (bool, default true): Give the records that came in on too, before the tasks;
                without it they are marked as dropped.
            temperature (float, >= 0, default 1.0): Sampling temperature of writing and answering tasks.
            top_p (float, > 0, <= 1, default 0.95): Nucleus of writing and answering: the most likely
                tokens that have this probability together.
            max_tokens (int, >= 1, default 1024): Most tokens of a reply with new tasks.
            answer_max_tokens (int, >= 1, default 1024): Most tokens of an answer.
            field (fenced | prompt | output, default "fenced"): Which text of a record is code: what
                stands between fences (```), all of its prompt, or all of its output.
            language (en | zh | none, default null): The language of the problems; that of the record, if
                not given.
        """

    def from_documents(
        self,
        *,
        model: Model = "",
        judge: Model = "",
        kinds: Mapping[Literal["single_fact", "several_facts", "multi_hop", "summary", "how_to", "comparison", "conversation", "unanswerable"], float] = ...,
        per_chunk: int = 4,
        most_chunks: int | None = None,
        facts: int = 12,
        context: Literal["none", "chunk"] = "none",
        brief: str = "",
        check_alone: bool = True,
        check_general: bool = True,
        until: Literal["once", "full"] = "once",
        dry_rounds: int = 2,
        temperature: float = 0.7,
        max_tokens: int = 2048,
        judge_max_tokens: int = 256,
    ) -> Dataset:
        """Ask questions about chunks of documents, and answer each from words of the chunk that are kept
        beside it.

        Args:
            model (str, default ""): The chat model that lists facts, writes, and is asked without the
                chunk.
            judge (str, default ""): The chat model that judges what was written; the one that writes, if
                not given.
            kinds (mapping of single_fact | several_facts | multi_hop | summary | how_to | comparison |
                conversation | unanswerable to float, default {"single_fact": 0.3, "several_facts": 0.2,
                "multi_hop": 0.1, "summary": 0.1, "how_to": 0.1, "comparison": 0.05, "conversation": 0.1,
                "unanswerable": 0.05}): Shares of the kinds of questions, such as {single_fact: 0.6,
                how_to: 0.4}; those that are not named have none.
            per_chunk (int, >= 1, <= 50, default 4): Questions that are asked for about each chunk.
            most_chunks (int | none, >= 1, default null): At most so many chunks, drawn by the seed; the
                others are let go ("not_drawn").
            facts (int, >= 1, <= 30, default 12): Facts of a chunk that are worked with at the most.
            context (none | chunk, default "none"): What a row's user shows beside the question: nothing,
                or the chunk.
            brief (str, default ""): What the set is for and who asks, in a sentence or two, for the model
                that writes.
            check_alone (bool, default true): Ask the judge whether the question can be understood without
                the chunk: one call for each row.
            check_general (bool, default true): Ask the model without the chunk, and let go what it knows:
                one or two calls for each row.
            until (once | full, default "once"): full goes back to chunks that have no row.
            dry_rounds (int, >= 1, <= 20, default 2): Rounds in a row that cover no further chunk, after
                which it ends.
            temperature (float, >= 0, default 0.7): Sampling temperature of writing; facts and judgements
                are greedy at first.
            max_tokens (int, >= 1, default 2048): Most tokens of a row or a list of facts; a list that is
                cut is none.
            judge_max_tokens (int, >= 1, default 256): Most tokens of a judgement, and of an answer
                without the chunk.
        """

    def fuse(
        self,
        *,
        model: Model = "",
        size: int = 100,
        threshold: float = 0.7,
        answer: bool = True,
        calls: int = 32,
        patience: int = 3,
        overask: int = 4,
        keep_seeds: bool = True,
        temperature: float = 1.0,
        top_p: float = 0.95,
        max_tokens: int = 1024,
        answer_max_tokens: int = 1024,
    ) -> Dataset:
        """Fuse two tasks into one that needs both, and answer it (Instruction Fusion).

        Args:
            model (str, default ""): The chat model that writes the tasks and answers them.
            size (int, >= 1, default 100): New tasks to keep.
            threshold (float, > 0, <= 1, default 0.7): The ROUGE-L F with any task before it from which on
                a task is not new.
            answer (bool, default true): Answer each task too; without it they go on as they are, for
                `respond`.
            calls (int, >= 1, default 32): Most calls for new tasks in one round, side by side.
            patience (int, >= 1, default 3): Rounds in a row that keep nothing, after which it ends.
            overask (int, >= 1, default 4): It ends after so many times the calls for tasks that would do
                if every task were kept.
            keep_seeds (bool, default true): Give the records that came in on too, before the tasks;
                without it they are marked as dropped.
            temperature (float, >= 0, default 1.0): Sampling temperature of writing and answering tasks.
            top_p (float, > 0, <= 1, default 0.95): Nucleus of writing and answering: the most likely
                tokens that have this probability together.
            max_tokens (int, >= 1, default 1024): Most tokens of a reply with new tasks.
            answer_max_tokens (int, >= 1, default 1024): Most tokens of an answer.
        """

    def ifd(
        self,
        *,
        model: Model = "",
        method: Literal["superfiltering", "cherry"] = "superfiltering",
        template: Literal["bare", "alpaca"] | None = None,
        max_length: int | None = None,
        keep: str | None = None,
    ) -> Dataset:
        """Score how much a record's instruction helps a model to predict its answer (IFD): high is hard.

        Args:
            model (str, default ""): The model that reads the answers; a small one ranks them much as a
                large one does.
            method (superfiltering | cherry, default "superfiltering"): The form of the score: the ratio
                of perplexities (superfiltering) or that of losses (cherry).
            template (bare | alpaca | none, default null): How prompt and answer are put together; by
                default the method's own: bare for superfiltering, alpaca for cherry.
            max_length (int | none, >= 2, default null): Tokens of prompt and answer that are read, the
                rest is cut off; by default the papers' own: 1024 for superfiltering, 512 for cherry.
            keep (Condition | none, default null): Condition that a score must meet for its record to be
                kept, such as "< 1"; without it all are kept.
        """

    def instruction_mining(
        self,
        *,
        reward: str,
        understandability: str,
        naturalness: str,
        coherence: str,
        keep: str | None = None,
    ) -> Dataset:
        """Predict the loss of a model trained on records like this one, from scores that they have
        already.

        Args:
            reward (str, required): The score that holds a reward model's reward of the answer.
            understandability (str, required): The score that holds UniEval's understandability, 0
                to 1.
            naturalness (str, required): The score that holds UniEval's naturalness, 0 to 1.
            coherence (str, required): The score that holds UniEval's coherence, 0 to 1.
            keep (Condition | none, default null): Condition that a score must meet for its record to be
                kept, such as "< 0"; without it all are kept.
        """

    def invent(
        self,
        *,
        model: Model = "",
        size: int = 100,
        threshold: float = 0.7,
        answer: bool = True,
        calls: int = 32,
        patience: int = 3,
        overask: int = 4,
        keep_seeds: bool = True,
        temperature: float = 1.0,
        top_p: float = 0.95,
        max_tokens: int = 1024,
        answer_max_tokens: int = 1024,
        per_call: int = 8,
        seeds: int = 6,
        invented: int = 2,
        rules: Sequence[Literal["length", "not_text", "program", "opening"]] = ...,
    ) -> Dataset:
        """Invent new tasks from seeds, round by round, and answer them (Self-Instruct).

        Args:
            model (str, default ""): The chat model that writes the tasks and answers them.
            size (int, >= 1, default 100): New tasks to keep.
            threshold (float, > 0, <= 1, default 0.7): The ROUGE-L F with any task before it from which on
                a task is not new.
            answer (bool, default true): Answer each task too; without it they go on as they are, for
                `respond`.
            calls (int, >= 1, default 32): Most calls for new tasks in one round, side by side.
            patience (int, >= 1, default 3): Rounds in a row that keep nothing, after which it ends.
            overask (int, >= 1, default 4): It ends after so many times the calls for tasks that would do
                if every task were kept.
            keep_seeds (bool, default true): Give the records that came in on too, before the tasks;
                without it they are marked as dropped.
            temperature (float, >= 0, default 1.0): Sampling temperature of writing and answering tasks.
            top_p (float, > 0, <= 1, default 0.95): Nucleus of writing and answering: the most likely
                tokens that have this probability together.
            max_tokens (int, >= 1, default 1024): Most tokens of a reply with new tasks.
            answer_max_tokens (int, >= 1, default 1024): Most tokens of an answer.
            per_call (int, >= 1, <= 50, default 8): New tasks that one call asks for.
            seeds (int, >= 1, default 6): Seeds that a call shows.
            invented (int, >= 0, default 2): Tasks invented before that a call shows; until there are as
                many, seeds stand in for them.
            rules (list of length | not_text | program | opening, default ["length", "not_text",
                "program", "opening"]): The paper's rules on a task's text that are applied.
        """

    def judge(
        self,
        *,
        model: Model | Sequence[Model] = "",
        rubric: str = "quality",
        keep: str | None = None,
        only: str = "",
        sample: float = 0.0,
        turns: Literal["all", "last"] = "all",
        reference: bool | str = False,
        samples: int = 1,
        expected: bool = True,
        reply: Literal["json", "line"] = "json",
        temperature: float = 0.0,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Grade each record by a rubric, by one model or several, on the rubric's scale.

        Args:
            model (str | list of str, default ""): The chat model that grades, or a list of them.
            rubric (str, default "quality"): A shipped rubric (accuracy, bias, complexity, harmlessness,
                helpfulness, quality), or the path of a rubric file that ends in .md; one that rates the
                instruction, as complexity does, needs no answer. A higher level is better: 5 for bias is
                an even-handed answer.
            keep (Condition | none, default null): Condition that the stated level (the mean, where there
                are several) must meet for a record to be kept, such as ">= 4"; without it all are kept.
            only (str, default ""): Judge these records alone: those that a rule of `clean` marked, by its
                name, or with a score that meets a condition, several joined by "or", such as "harm_screen
                or judge.quality < 3". The others are kept as they are, their score missing ("not_asked").
            sample (float, >= 0, <= 1, default 0.0): Share of the records that `only` leaves out that are
                judged too, drawn by lot: what it misses is told.
            turns (all | last, default "all"): Which turns of a conversation are judged.
            reference (bool | str, default false): Show the judge a reference answer: the name of the
                source's column that holds it, or true for the first of reference_answer, reference,
                ground_truth, answer and the like, else the record's only other answer. A record without
                one is judged without, which is counted; of several turns the last has the reference.
            samples (int, >= 1, default 1): Replies drawn from each model; above 1 they need a
                temperature.
            expected (bool, default true): Take as score the expectation over the levels by log-
                probabilities, where the server tells them.
            reply (json | line, default "json"): How the score is asked for: as JSON, or, for judges
                trained to write free text, on a last line ("Score: 4"), which is read strictly and not
                asked for again.
            temperature (float, >= 0, default 0.0): Sampling temperature; 0 gives the same grade each
                time.
            max_tokens (int, >= 1, default 1024): Most tokens of the reason and the score together.
        """

    def judge_cascade(
        self,
        *,
        keep: str,
        model: Model = "",
        rubric: str = "quality",
        cheap: str | Sequence[str] = ...,
        embeddings: bool = True,
        embedder: Model = "",
        agreement: float = 0.95,
        recall: float = 0.95,
        confidence: float = 0.95,
        labels: int = 200,
        rounds: int = 3,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Keep the records that a strong judge would keep, asking it only where a cheap model is unsure.

        Args:
            model (str, default ""): The strong judge.
            rubric (str, default "quality"): A shipped rubric, or the path of a rubric file that ends in
                .md.
            keep (Condition, required): The decision: the condition that the strong judge's score
                must meet, such as ">= 4".
            cheap (str | list of str, default []): A score that the cheap model may use, such as
                judge.quality by a weak model, or a list of them.
            embeddings (bool, default true): Let the cheap model use an embedding of instruction and
                answer.
            embedder (str, default ""): The embedding model; by default the only one, else the embedded
                one.
            agreement (float, > 0, < 1, default 0.95): The least share of decisions that must be the
                strong judge's.
            recall (float, >= 0, < 1, default 0.95): The least share of the records that the strong judge
                would keep that must be kept; 0 asks for none.
            confidence (float, > 0, < 1, default 0.95): How sure that must be.
            labels (int, >= 2, default 200): Records that the strong judge grades first: half to teach the
                cheap model, half to check it. Further rounds double them.
            rounds (int, >= 1, default 3): Most rounds of teaching and checking; each takes its part of
                the doubt that `confidence` allows.
            max_tokens (int, >= 1, default 1024): Most tokens of the strong judge's reason and score
                together.
        """

    def judge_counterfactual(
        self,
        *,
        model: Model = "",
        rubric: str = "quality",
        by: Literal["gender", "names"] = "gender",
        pairs: int = 200,
        expectation: bool = True,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Check a judge by counterfactual pairs: the same record about a man and about a woman, or with
        other names.

        Args:
            model (str, default ""): The chat model that grades.
            rubric (str, default "quality"): A shipped rubric, or the path of a rubric file that ends in
                .md.
            by (gender | names, default "gender"): What is swapped: words and names of men and women, or
                names of two groups.
            pairs (int, >= 1, default 200): Records that are asked about at most, two calls each, drawn by
                lot.
            expectation (bool, default true): Take as score the expectation over the levels by log-
                probabilities, where the server tells them.
            max_tokens (int, >= 1, default 1024): Most tokens of the reason and the score together.
        """

    def judge_pair(
        self,
        *,
        second: str,
        model: Model = "",
        first: str = "",
        reference: bool | str = False,
        rubric: str = "quality",
        keep: str | None = None,
        temperature: float = 0.0,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Compare two answers to each record's last turn by a rubric, in both orders.

        Args:
            model (str, default ""): The chat model that compares.
            first (str, default ""): The column of the source that holds the first answers; empty: the
                record's own answer.
            second (str, required): The column of the source that holds the second answers.
            reference (bool | str, default false): Show the judge a reference answer: the name of the
                source's column that holds it, or true, as for `judge`. A pair without one is judged
                without, which is counted.
            rubric (str, default "quality"): A shipped rubric, or the path of a rubric file that ends in
                .md, that rates an answer.
            keep (Condition | none, default null): Condition that a score must meet for its record to be
                kept: "== 1" keeps those whose first answer wins.
            temperature (float, >= 0, default 0.0): Sampling temperature; 0 gives the same verdict each
                time.
            max_tokens (int, >= 1, default 1024): Most tokens of the reason and the verdict together.
        """

    def keep_top(
        self,
        *,
        score: str,
        share: float | None = None,
        count: int | None = None,
        order: Literal["highest", "lowest"] = "highest",
        ties: Literal["drawn", "order"] = "drawn",
    ) -> Dataset:
        """Keep the records with the highest scores: a share of the set, or so many.

        Args:
            score (str, required): the score that ranks, such as "ifd"
            share (float | none, > 0, <= 1, default null): share of the records to keep; this or `count`
            count (int | none, >= 1, default null): number of records to keep; this or `share`
            order (highest | lowest, default "highest"): which end of the ranking is kept
            ties (drawn | order, default "drawn"): which of equal scores go first: drawn by the seed, or
                by the order of the set
        """

    def learning_percentage(
        self,
        *,
        before: str,
        after: str,
        end: str = "",
        share: float | None = None,
        within: str = "meaning",
        clusters: int | None = None,
        embedder: Model = "",
        keep: str | None = None,
    ) -> Dataset:
        """Score how early a model learned each record, from its perplexities, and keep the hardest of each
        cluster.

        Args:
            before (str, required): The score that holds the perplexity before training.
            after (str, required): The score that holds the perplexity after one epoch.
            end (str, default ""): The score that holds the perplexity after the last epoch; empty: the
                approximation that needs none.
            share (float | none, > 0, <= 1, default null): Share of the records to keep, those with the
                lowest scores; none: all are kept, with their scores.
            within (str, default "meaning"): What the share is taken of: each cluster by "meaning", the
                "set" as a whole, or each value of "task", "lang", "source" or one of the user's own
                columns.
            clusters (int | none, >= 1, default null): Clusters by meaning; by default the paper's 1,000,
                or one for every 39 records where there are fewer.
            embedder (str, default ""): The embedding model of the clusters.
            keep (Condition | none, default null): Condition that a score must meet for its record to be
                kept, such as "< 0.9"; without it all are kept.
        """

    def magpie(
        self,
        *,
        model: Model = "",
        size: int = 100,
        most_draws: int | None = None,
        system: str | Sequence[str] = ...,
        template: str = "",
        language: Literal["en", "zh"] | None = None,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int = 512,
    ) -> Dataset:
        """Draw instructions from an aligned chat model that is shown the start of a user's turn and no
        words (Magpie).

        Args:
            model (str, default ""): The chat model that writes the instructions.
            size (int, >= 1, default 100): Instructions to come to.
            most_draws (int | none, >= 1, default null): Most draws; three for each instruction that is
                asked for, if not given.
            system (str | list of str, default []): System turn, or several in turn, under which a user
                writes; none leaves it to the template.
            template (str, default ""): The text before a user's words, in place of the model's own
                template; no `system` then.
            language (en | zh | none, default null): The language that is kept; all are, if not given.
            temperature (float, > 0, default 1.0): Sampling temperature.
            top_p (float, > 0, <= 1, default 1.0): Nucleus: the most likely tokens that have this
                probability together.
            max_tokens (int, >= 1, default 512): Most tokens of an instruction.
        """

    def mixture(
        self,
        *,
        by: Sequence[str],
        shares: Mapping[str, float] | Literal["proportional", "temperature", "capped", "balanced"] = "proportional",
        size: int | None = None,
        unit: Literal["rows", "tokens"] = "rows",
        temperature: float = 2.0,
        cap: int | None = None,
        minimum: Mapping[str, float] | float = 0.0,
        maximum: Mapping[str, float] | float = 1.0,
        epochs: float = 4.0,
        short: Literal["leave", "spread", "shrink"] = "leave",
        until: Literal["once", "full"] = "once",
        dry_rounds: int = 2,
        cuts: Sequence[float] = ...,
        score: str = "",
    ) -> Dataset:
        """Mix groups of records (tasks, languages, sources, ...) to target shares, in rows or tokens.

        Args:
            by (list of str, required): what the groups are: task, lang, source, license, a column
                of the source, a score or a sum of scores; several stand for all their combinations
            shares (mapping of str to float | proportional | temperature | capped | balanced, default
                "proportional"): the share of each group, as numbers that sum to 1, or a rule
            size (int | none, >= 1, default null): rows or tokens in all; none: as many as keep the shares
                without a repeat
            unit (rows | tokens, default "rows"): what shares and size count: rows, or tokens of prompts
                and answers (estimated)
            temperature (float, >= 1, <= 1,000, default 2.0): how much `shares: temperature` evens out; 1
                not at all
            cap (int | none, >= 1, default null): rows or tokens that a group counts for in `shares:
                capped`
            minimum (mapping of str to float | float, default 0.0): smallest share of every group, or of
                some by name
            maximum (mapping of str to float | float, default 1.0): largest share of every group, or of
                some by name
            epochs (float, >= 1, <= 100, default 4.0): a group is taken so often at the most; 1 repeats
                nothing
            short (leave | spread | shrink, default "leave"): what becomes of what a group cannot give: it
                is left out, spread over the others, or the set shrinks until the shares hold
            until (once | full, default "once"): full goes back to the steps that make records until no
                group is short, or dry
            dry_rounds (int, >= 1, <= 20, default 2): rounds in a row that bring little, after which it
                ends
            cuts (list of float, default []): where the ranges of a score begin, rising
            score (str, default ""): a score, or a sum of scores, whose highest go first; empty: the seed
                draws
        """

    def normalize_tags(
        self,
        *,
        min_share: float = 6.5e-05,
        min_count: int | None = None,
        rules: bool = True,
        semantic: float | None = 0.05,
        association: Literal["mutual", "one_way", "none"] = "mutual",
        min_support: int = 40,
        min_confidence: float = 0.99,
        map: str | Path | None = None,
        unknown: Literal["keep", "drop"] = "keep",
        model: Model = "",
    ) -> Dataset:
        """Bring different names of one intention together, and drop rare tags (InsTag).

        Args:
            min_share (float, >= 0, <= 1, default 6.5e-05): drop tags of a smaller share of the tagged
                records
            min_count (int | none, >= 1, default null): drop tags of fewer records than this, in place of
                min_share
            rules (bool, default true): bring spellings together: case, special characters, word stems
            semantic (float | none, >= 0, < 1, default 0.05): largest cosine distance of two names of one
                meaning; null: left out
            association (mutual | one_way | none, default "mutual"): join tags that imply each other
                (mutual), or also a tag to a more used one that it implies (one_way)
            min_support (int, >= 2, default 40): fewest records that two associated tags have together
            min_confidence (float, > 0.5, <= 1, default 0.99): smallest share of a tag's records that have
                the other tag too
            map (Path | none, default null): a tag map (JSON lines of raw and final) to apply in place of
                the stages
            unknown (keep | drop, default "keep"): what to do with tags that the map lacks
            model (str, default ""): the embedding model; by default the only one, else the embedded one
        """

    def pair(
        self,
        *,
        score: str = "",
        verdict: str = "",
        better: Literal["highest", "lowest"] = "highest",
        margin: float = 0.0,
        length_ratio: float | None = None,
        unpaired: Literal["drop", "keep"] = "drop",
    ) -> Dataset:
        """Make a pair of each record's answers, by a score or a verdict: the better chosen, the worse
        rejected.

        Args:
            score (str, default ""): The answers' score to pair by, such as judge.quality; this or
                `verdict`.
            verdict (str, default ""): The answers' verdict to pair by, such as label or constraints:
                true, met, passed, correct, yes or good is better than false, failed, wrong, incorrect, no
                or bad; any other is none.
            better (highest | lowest, default "highest"): Which scores are better.
            margin (float, >= 0, default 0.0): The least difference of the two scores; they always differ.
            length_ratio (float | none, >= 1, default null): How many times as long as the shorter of the
                two, in words, the longer may be; without it all may pair.
            unpaired (drop | keep, default "drop"): What becomes of a record whose answers make no pair.
        """

    def perplexity(
        self,
        *,
        model: Model = "",
        of: Literal["answer", "text"] = "answer",
        template: Literal["bare", "alpaca"] = "bare",
        score: str = "perplexity",
        max_length: int = 1024,
        keep: str | None = None,
    ) -> Dataset:
        """Score how surprising a model finds a record: the perplexity of its answer, or of all of its
        text.

        Args:
            model (str, default ""): The model that reads the texts.
            of (answer | text, default "answer"): What is scored: the last answer given all before it, or
                the whole conversation.
            template (bare | alpaca, default "bare"): How prompt and answer are put together: bare, as in
                Superfiltering, or alpaca, as the authors of learning percentage (and Cherry LLM) have it.
                Of a whole text there is no prompt, and it does not count.
            score (str, default "perplexity"): Name of the score; by default "perplexity.alpaca" with the
                alpaca template: the two are not to be mixed.
            max_length (int, >= 2, default 1024): Tokens that are read; the rest is cut off.
            keep (Condition | none, default null): Condition that a score must meet for its record to be
                kept, such as "< 50"; without it all are kept.
        """

    def persona(
        self,
        *,
        model: Model = "",
        size: int = 100,
        threshold: float = 0.7,
        answer: bool = True,
        calls: int = 32,
        patience: int = 3,
        overask: int = 4,
        keep_seeds: bool = True,
        temperature: float = 1.0,
        top_p: float = 0.95,
        max_tokens: int = 1024,
        answer_max_tokens: int = 1024,
        kind: Literal["instruction", "math", "reasoning"] = "instruction",
        personas: str | Sequence[str] = ...,
        relations: int = 0,
        persona_threshold: float = 0.9,
    ) -> Dataset:
        """Have particular people set tasks: a request, a mathematics or a logic problem for each persona
        (Persona Hub).

        Args:
            model (str, default ""): The chat model that writes the tasks and answers them.
            size (int, >= 1, default 100): New tasks to keep.
            threshold (float, > 0, <= 1, default 0.7): The ROUGE-L F with any task before it from which on
                a task is not new.
            answer (bool, default true): Answer each task too; without it they go on as they are, for
                `respond`.
            calls (int, >= 1, default 32): Most calls for new tasks in one round, side by side.
            patience (int, >= 1, default 3): Rounds in a row that keep nothing, after which it ends.
            overask (int, >= 1, default 4): It ends after so many times the calls for tasks that would do
                if every task were kept.
            keep_seeds (bool, default true): Give the records that came in on too, before the tasks;
                without it they are marked as dropped.
            temperature (float, >= 0, default 1.0): Sampling temperature of writing and answering tasks.
            top_p (float, > 0, <= 1, default 0.95): Nucleus of writing and answering: the most likely
                tokens that have this probability together.
            max_tokens (int, >= 1, default 1024): Most tokens of a reply with new tasks.
            answer_max_tokens (int, >= 1, default 1024): Most tokens of an answer.
            kind (instruction | math | reasoning, default "instruction"): What a persona sets: a request
                to an assistant, a mathematics problem, or a problem of logical reasoning.
            personas (str | list of str, default []): A file of personas, or a list of files, in place of
                inferring them.
            relations (int, >= 0, <= 6, default 0): How many times somebody close to each of the last
                personas is added; the paper goes six times.
            persona_threshold (float, > 0, <= 1, default 0.9): The ROUGE-L F from which on two personas
                are taken for one.
        """

    def prune(
        self,
        *,
        log: str,
        by: Literal["losses", "el2n"] = "losses",
        keep: float | None = None,
        offset: float = 0.0,
        alpha: float = 0.8,
        variation: float = 0.0,
        let_go: Sequence[Literal["learned", "forgotten", "never_learned"]] = ...,
        learned_loss: float = 0.6931471805599453,
    ) -> Dataset:
        """Prune rows by their losses over the epochs of a training run: the easy, the never learned, the
        forgotten.

        Args:
            log (str, required): a file of rows {"id", "losses": [one for each epoch]}
            by (losses | el2n, default "losses"): the column of the log that `keep` goes by
            keep (float | none, > 0, <= 1, default null): share of the rows to keep, the hardest; none:
                all
            offset (float, >= 0, < 1, default 0.0): share of the very hardest to leave out
            alpha (float, > 0, <= 1, default 0.8): weight of the newest epoch in the moving average
            variation (float, >= 0, default 0.0): how much of the moving deviation is added to the average
            let_go (list of learned | forgotten | never_learned, default []): what else is let go:
                learned, forgotten, never_learned
            learned_loss (float, > 0, default 0.6931471805599453): at most this loss a row is learned,
                nats a token
        """

    def quality_model(
        self,
        *,
        good: str = "",
        bad: str = "",
        judged: str = "",
        good_where: str = ...,
        bad_where: str = ...,
        embedder: Model = "",
        field: Literal["both", "prompt", "output"] = "both",
        keep: str | None = None,
    ) -> Dataset:
        """Score how likely each record is to be a good one, by a classifier of your good and bad examples.

        Args:
            good (str, default ""): A file of good rows, with their answers.
            bad (str, default ""): A file of bad rows, with their answers.
            judged (str, default ""): In place of files: a score that some records have, such as
                "judge.quality".
            good_where (Condition, default ">= 4"): What the score `judged` of a good record meets.
            bad_where (Condition, default "<= 2"): What the score `judged` of a bad record meets; a record
                that meets neither teaches nothing.
            embedder (str, default ""): The embedding model; without one the classifier goes by cheap
                features alone.
            field (both | prompt | output, default "both"): The text that is embedded: prompt and answer,
                or one of them.
            keep (Condition | none, default null): Condition that a score must meet for its record to be
                kept, such as ">= 0.5"; without it all are kept.
        """

    def refine(
        self,
        *,
        model: Model = "",
        judge: Model = "",
        check: Model | Sequence[Model] = ...,
        rubric: str = "quality",
        rounds: int = 3,
        min_gain: float = 1.0,
        keep_parents: bool = False,
        critiques: bool = False,
        temperature: float = 0.7,
        max_tokens: int = 2048,
    ) -> Dataset:
        """Improve each answer by criticism and rewriting, round by round, until a judge finds no gain.

        Args:
            model (str, default ""): The chat model that criticises and rewrites.
            judge (str, default ""): The chat model that grades; a different one than `model` is the
                fairer judge.
            check (str | list of str, default []): The chat model that grades first and best answer anew
                after the choice, or a list of them; by default the judge, at temperature 1.
            rubric (str, default "quality"): A shipped rubric, or the path of a rubric file that ends in
                .md, that rates an answer.
            rounds (int, >= 1, default 3): Most rounds of criticism and rewriting.
            min_gain (float, > 0, default 1.0): The least gain in the judge's grade for a rewritten answer
                to be kept.
            keep_parents (bool, default false): Give a record whose answer was refined on too, before the
                new one, for instance to make pairs.
            critiques (bool, default false): Give each criticism as a record of its own too: to review the
                answer that it is of.
            temperature (float, >= 0, default 0.7): Sampling temperature of rewriting; criticism and
                grades are at 0.
            max_tokens (int, >= 1, default 2048): Most tokens of a criticism and of an answer.
        """

    def respond(
        self,
        *,
        model: Model | Sequence[Model] = "",
        temperature: float = 0.7,
        max_tokens: int = 1024,
        overwrite: bool = False,
        samples: int = 1,
        choose: Literal["first", "longest", "majority", "verified", "best", "rubric", "fit"] = "first",
        student: Model | Sequence[Model] = ...,
        fit_by: Literal["grape", "rsr"] = "grape",
        keep_old: bool = False,
        re_answer: Literal["last", "all"] = "last",
        system: bool = True,
        allow_truncated: bool = False,
        until: Literal["answered", "verified"] = "answered",
        tries: int = 3,
        judge: Model | Sequence[Model] = ...,
        rubric: str = "quality",
        unverified: Literal["drop", "keep"] = "drop",
    ) -> Dataset:
        """Answer each instruction that has no answer yet, by a model.

        Args:
            model (str | list of str, default ""): The chat model that answers, or a list of them, each of
                which gives so many samples.
            temperature (float, >= 0, default 0.7): Sampling temperature.
            max_tokens (int, >= 1, default 1024): Most tokens of an answer.
            overwrite (bool, default false): Answer records anew that have an answer; without it they pass
                untouched.
            samples (int, >= 1, default 1): Answers that are asked of each model; above 1 they need a
                temperature.
            choose (first | longest | majority | verified | best | rubric | fit, default "first"): Which
                of several answers ends the conversation: the first, longest, the majority's, verified or
                best one, the best by a checklist (rubric), or the one that fits the student best.
            student (str | list of str, default []): The model that is to be trained, which `choose: fit`
                has score each answer.
            fit_by (grape | rsr, default "grape"): What fits best: the highest mean log-probability, or
                the lowest rank-surprisal ratio (see `fit`).
            keep_old (bool, default false): Keep the answers that a record had beside the new ones, behind
                them; with `overwrite`.
            re_answer (last | all, default "last"): Which turns are answered: the last one, or all, each
                anew, whether `overwrite` is on or not.
            system (bool, default true): Put a system turn before a conversation that has none.
            allow_truncated (bool, default false): Keep answers that were cut by the token limit; not
                those that are to be verified.
            until (answered | verified, default "answered"): When to stop asking: at the first answer, or
                at one that meets the record's constraints.
            tries (int, >= 1, default 3): Most answers that are asked for until one is verified.
            judge (str | list of str, default []): The chat model that judges constraints which no code
                can check, grades, and writes checklists; by default the (first) one that answers.
            rubric (str, default "quality"): The rubric by which the best answer is chosen: a shipped one,
                or the path of a rubric file that ends in .md.
            unverified (drop | keep, default "drop"): What becomes of a record none of whose answers meets
                all constraints.
        """

    def rubric(
        self,
        *,
        model: Model | Sequence[Model] = "",
        judge: Model | Sequence[Model] = ...,
        criteria: int = 8,
        harder: int = 4,
        choose: Literal["as_it_is", "best"] = "as_it_is",
        keep: str | None = None,
        reference: bool | str = False,
        temperature: float = 0.0,
        max_tokens: int = 2048,
    ) -> Dataset:
        """Write a checklist for each instruction, by one or several models, and grade the record's answers
        by it.

        Args:
            model (str | list of str, default ""): The chat model that writes the checklist, or a list of
                them, each of which writes one.
            judge (str | list of str, default []): The chat model that grades answers by it, or a list of
                them; by default the first that writes.
            criteria (int, >= 2, <= 30, default 8): Most criteria that each model writes.
            harder (int, >= 0, <= 15, default 4): Most criteria that are added by comparing two answers;
                0: none are.
            choose (as_it_is | best, default "as_it_is"): Which of several answers ends the conversation:
                that which does, or the one with the highest score.
            keep (Condition | none, default null): Condition that the score must meet for a record to be
                kept, such as ">= 0.6"; without it all are kept.
            reference (bool | str, default false): Show the writers a reference answer: the name of the
                source's column that holds it, or true, as for `judge`.
            temperature (float, >= 0, default 0.0): Sampling temperature of criteria and verdicts.
            max_tokens (int, >= 1, default 2048): Most tokens of a checklist, and of the verdicts on one
                answer.
        """

    def schedule(
        self,
        *,
        method: Literal["curriculum", "dual_stage", "replay", "experts", "conditioned"],
        by: str = "",
        score: str = "",
        stages: int = 3,
        hard_first: bool = False,
        first: Sequence[str] = ...,
        order: Sequence[str] = ...,
        share: float | None = None,
        weights: Mapping[str, float] = ...,
        place: Literal["template", "system", "column"] = "template",
        model: Model = "",
    ) -> Dataset:
        """Put the set in the order in which it is trained on: a curriculum, stages, replay, experts, or
        conditions.

        Args:
            method (curriculum | dual_stage | replay | experts | conditioned, required): what
                orders the set
            by (str, default ""): the column of the groups; empty: task, for conditioned source
            score (str, default ""): a score, or a sum such as "ifd + 0.1 * evolve.added_words", for
                curriculum
            stages (int, >= 1, <= 1,000, default 3): stages of a curriculum; 1: smoothly, row by row
            hard_first (bool, default false): the highest score first
            first (list of str, default []): the specialised groups of dual_stage
            order (list of str, default []): the sets of replay in turn; empty: as they first come in the
                set
            share (float | none, >= 0, default null): of dual_stage the share of the specialised rows that
                come again (1/256 unless told); of replay, in place of InsCL, earlier rows as a share of a
                stage's own
            weights (mapping of str to float, default {}): what each condition is worth, from 0 to 1, for
                conditioned
            place (template | system | column, default "template"): where a condition stands: among the
                chat template's arguments, in the system turn, or in its column alone
            model (str, default ""): the embedding model of replay and experts; by default the only one,
                else the embedded one
        """

    def select(
        self,
        *,
        size: int | None = None,
        tokens: int | None = None,
        method: Literal["coverage", "random", "longest", "top", "k_center", "facility_location", "repr_filter", "d2", "qdit", "complexity_first_diverse", "mig", "cluster_quality", "learning_percentage", "nearest", "rds", "target_path", "gradient", "dsir", "classifier", "s1", "s2l"] = "coverage",
        compare: Sequence[Literal["coverage", "random", "longest", "top", "k_center", "facility_location", "repr_filter", "d2", "qdit", "complexity_first_diverse", "mig", "cluster_quality", "learning_percentage", "nearest", "rds", "target_path", "gradient", "dsir", "classifier", "s1", "s2l"]] = ...,
        score: str = "",
        stratify: Literal["", "task", "lang", "source"] = "",
        field: Literal["instruction", "prompt", "output", "both"] = "prompt",
        embedder: Model = "",
        draws: int = 20,
        clusters: int | None = None,
        length_floor: float = 0.1,
        quality_floor: float = 0.1,
        neighbours: int = 10,
        threshold: float = 0.95,
        alpha: float = 0.5,
        gamma: float = 1.0,
        target: Sequence[str] = ...,
        model: Model = "",
        good: str = "",
        bad: str = "",
        losses: str = "",
        solved: Sequence[str] = ...,
        engine: Literal["local", "ray"] = "local",
        workers: int = 1,
    ) -> Dataset:
        """Choose so many rows by a method, and show beside them what random draws and the longest rows
        would be.

        Args:
            size (int | none, >= 1, default null): number of rows to choose; this or `tokens`
            tokens (int | none, >= 1, default null): tokens to choose at most, of prompts and answers
                (estimated); this or `size`
            method (coverage | random | longest | top | k_center | facility_location | repr_filter | d2 |
                qdit | complexity_first_diverse | mig | cluster_quality | learning_percentage | nearest |
                rds | target_path | gradient | dsir | classifier | s1 | s2l, default "coverage"): how rows
                are chosen
            compare (list of coverage | random | longest | top | k_center | facility_location |
                repr_filter | d2 | qdit | complexity_first_diverse | mig | cluster_quality |
                learning_percentage | nearest | rds | target_path | gradient | dsir | classifier | s1 |
                s2l, default []): methods to show side by side; nothing is dropped then
            score (str, default ""): a score, or a sum of scores such as "judge.quality + 0.5 * ifd";
                empty: the only judge score, where the method needs one
            stratify ("" | task | lang | source, default ""): a field whose values keep their shares: it
                is chosen within each
            field (instruction | prompt | output | both, default "prompt"): the text that is embedded:
                instruction, prompt, output, or both
            embedder (str, default ""): the embedding model; naming one has distances measured where the
                method needs none
            draws (int, >= 5, <= 1,000, default 20): random draws that the choice is held against
            clusters (int | none, >= 1, default null): clusters by meaning; none: the square root of half
                the rows
            length_floor (float, >= 0, < 1, default 0.1): share of each language's shortest answers that
                coverage does not choose from
            quality_floor (float, >= 0, < 1, default 0.1): share with the lowest `score`, if given, that
                coverage does not choose from
            neighbours (int, >= 1, <= 1,000, default 10): nearest neighbours of a row in the graph of
                facility_location, qdit and d2
            threshold (float, > -1, <= 1, default 0.95): cosine from which repr_filter takes two rows, and
                mig two tags, for alike
            alpha (float, >= 0, <= 1, default 0.5): weight of quality in qdit; the rest is diversity's
            gamma (float, >= 0, default 1.0): how fast a message of d2 fades with the distance
            target (list of str, default []): files of what to be like, rows or a benchmark, for nearest,
                rds and dsir: their questions are compared with `field`; for target_path and gradient rows
                with answers
            model (str, default ""): the model that target_path and gradient ask, of provider transformers
            good (str, default ""): a file of good examples, for classifier
            bad (str, default ""): a file of bad examples, for classifier
            losses (str, default ""): a file of rows {"id", "losses"}: a list, one for each checkpoint of
                a small model, for s2l
            solved (list of str, default []): scores above 0.5 where a reference model solves a record:
                these records are set aside, as s1 does
            engine (local | ray, default "local"): where coverage, top, nearest, rds and dsir go through
                the rows: in this process, or by Ray, on the cluster at RAY_ADDRESS or else started here;
                the result is the same
            workers (int, >= 1, default 1): processors for a Ray started here; the result is the same
        """

    def self_training_guard(
        self,
        *,
        max_rounds: int = 3,
        real_share: float = 0.1,
        generated: Sequence[str] = ...,
    ) -> Dataset:
        """Cap the rounds of generating, checking and choosing, and keep rows that no model wrote at a
        share.

        Args:
            max_rounds (int, >= 0, default 3): Most rounds of a record that is kept; 0 keeps rows that no
                model wrote.
            real_share (float, >= 0, <= 1, default 0.1): The least share of rows that no model wrote, of
                all that are kept; 0: none is asked for.
            generated (list of str, default []): Sources (`source` of a record) whose rows a model wrote,
                where their file does not tell.
        """

    def split(
        self,
        *,
        validation: float = 0.0,
        test: float = 0.05,
        stratify: str = "",
        together: Sequence[str] = ...,
        near: Literal["rouge", "minhash", "semantic", "none"] = "rouge",
        threshold: float | None = None,
        field: Literal["instruction", "prompt", "output", "both"] = "prompt",
        model: Model = "",
    ) -> Dataset:
        """Split the set into train, validation and test by families, so that nothing held out is known
        from training.

        Args:
            validation (float, >= 0, default 0.0): share (below 1) or number of rows to validate on
            test (float, >= 0, default 0.05): share (below 1) or number of rows to test on
            stratify (str, default ""): a column whose values are split alike: task, lang, source, or one
                of your own
            together (list of str, default []): columns whose equal values stay in one part, such as a
                url; empty: that of the document (document, document_id, doc_id, source_document) where
                there is one
            near (rouge | minhash | semantic | none, default "rouge"): by what records are near to each
                other: words, passages, meaning, or not at all
            threshold (float | none, >= 0, < 1, default null): above it two records are near; none: that
                of the dedup step of the measure
            field (instruction | prompt | output | both, default "prompt"): the text compared:
                instruction, prompt, output, or both
            model (str, default ""): the embedding model of `near: semantic`; by default the only one,
                else the embedded one
        """

    def tag(
        self,
        *,
        model: Model = "",
        vocabulary: str | Path | None = None,
        shown: int = 60,
        embedder: Model = "",
        max_tags: int = 32,
        required: bool = False,
        temperature: float = 0.0,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Tag each record with the intentions of its instruction, each with an explanation (InsTag).

        Args:
            model (str, default ""): The chat model that names the tags.
            vocabulary (Path | none, default null): A closed tag set: a tag map (JSON lines of raw and
                final), or JSON lines of {"tag": ...}.
            shown (int, >= 1, default 60): Most tags of the vocabulary that one query is shown.
            embedder (str, default ""): The embedding model that finds the tags to show, where the
                vocabulary has more than `shown`.
            max_tags (int, >= 1, default 32): Most tags of one query; a model that names more has its
                first ones taken. Complexity is the number of tags: a low bound censors it (the 6,000
                records that InsTag chose have 16.56 on average).
            required (bool, default false): Set a record aside where it cannot be tagged, instead of
                letting it go on without tags.
            temperature (float, >= 0, default 0.0): Sampling temperature; 0 gives the same tags each time.
            max_tokens (int, >= 1, default 1024): Most tokens of the tags of one query with their
                explanations.
        """

    def task(
        self,
        *,
        model: Model = "",
        categories: Mapping[str, str] = ...,
        replace: bool = False,
        max_tokens: int = 64,
    ) -> Dataset:
        """Name each record's task (question answering, code, rewriting, ...), by a model.

        Args:
            model (str, default ""): The chat model that chooses.
            categories (mapping of str to str, default {}): Categories of your own in place of the default
                dozen: each name with what it means.
            replace (bool, default false): Name the task anew where a record has one already.
            max_tokens (int, >= 1, default 64): Most tokens of a reply.
        """

    def task_by_example(
        self,
        *,
        examples: str | Path,
        column: str = "task",
        method: Literal["logistic", "ridge", "centroid"] = "logistic",
        min_certainty: float = 0.0,
        replace: bool = False,
        model: Model = "",
    ) -> Dataset:
        """Name each record's task from labelled examples: a linear classifier over embeddings, no chat
        model.

        Args:
            examples (Path, required): the file of labelled rows
            column (str, default "task"): the column of the labels; task is read from category too
            method (logistic | ridge | centroid, default "logistic"): the classifier
            min_certainty (float, >= 0, < 1, default 0.0): leave a record without a task where the
                classifier is less sure
            replace (bool, default false): name the task anew where a record has one already
            model (str, default ""): the embedding model; by default the only one, else the embedded one
        """

    def tree(
        self,
        *,
        model: Model = "",
        nodes: int | Sequence[int] = 3,
        method: Literal["checked", "paper"] = "checked",
        attempts: int = 3,
        min_parsed: float = 0.5,
        min_kept: float = 0.8,
        keep_language: bool = True,
        keep_parents: bool = True,
        temperature: float = 1.0,
        top_p: float = 0.95,
        max_tokens: int = 1024,
        answer_max_tokens: int = 2048,
    ) -> Dataset:
        """Make each instruction harder by exactly so many nodes in its semantic tree, and answer it (Tree-
        Instruct).

        Args:
            model (str, default ""): The chat model that parses, adds, writes and answers.
            nodes (int | list of int, default 3): How many nodes to add, or a list: a child for each. The
                paper compares 3, 6 and 10.
            method (checked | paper, default "checked"): Three calls whose results are checked, or the
                paper's one prompt that adds three nodes, repeated.
            attempts (int, >= 1, <= 20, default 3): Most replies asked for at each stage.
            min_parsed (float, >= 0, <= 1, default 0.5): Least share of an instruction's content words
                that its tree holds.
            min_kept (float, >= 0, <= 1, default 0.8): Least share of the old instruction's content words
                that the new one holds.
            keep_language (bool, default true): Let a child go whose answer is not in its language, as
                their scripts tell.
            keep_parents (bool, default true): Give the original record on too, before its children.
            temperature (float, >= 0, default 1.0): Sampling temperature; a tree is first parsed at 0.
            top_p (float, > 0, <= 1, default 0.95): Nucleus of sampling: the most likely tokens that have
                this probability together.
            max_tokens (int, >= 1, default 1024): Most tokens of a tree, of new nodes and of an
                instruction.
            answer_max_tokens (int, >= 1, default 2048): Most tokens of an answer.
        """

    def verify(
        self,
        *,
        model: Model | Sequence[Model] = ...,
        keep: str | None = None,
        loose: bool = False,
        max_tokens: int = 1024,
        sandbox: Literal["first", "second"] = "first",
    ) -> Dataset:
        """Hold each answer against its constraints: by checkers in code, and by a judge where no code can
        tell.

        Args:
            model (str | list of str, default []): The chat model that judges what no code can check;
                without one such a constraint has no verdict.
            keep (Condition | none, default null): Condition that the share of constraints met must meet
                for a record to be kept: ">= 1" keeps those whose answer meets all; without it all are
                kept.
            loose (bool, default false): Also tell IFEval's loose reading, in which a checker may pass
                over asterisks and the first or last line: "verify.hsr_loose" and "verify.ssr_loose".
                `keep` then goes by it.
            max_tokens (int, >= 1, default 1024): Most tokens of the judge's reasons and verdicts
                together.
            sandbox (first | second, default "first"): The tier of the sandbox for checkers that a model
                wrote: first (part of Python, works everywhere), or second (all of it, on Linux).
        """

    def verify_code(
        self,
        *,
        keep: Literal["all", "verified"] = "all",
        choose: Literal["as_it_is", "verified"] = "as_it_is",
        keep_pass_rate: str | None = None,
        tests: str = "",
        sandbox: Literal["first", "second"] = "first",
        seconds: float = 5.0,
        most_tests: int = 100,
    ) -> Dataset:
        """Run the code of each answer with the tests of its row, in the sandbox alone.

        Args:
            keep (all | verified, default "all"): Keep all records, or those alone whose answer, the one
                that ends the conversation, is verified.
            choose (as_it_is | verified, default "as_it_is"): Which of several answers ends the
                conversation: that which does, or a verified one (the first, unless that which does is
                verified). A record that has none stays as it is.
            keep_pass_rate (ShareRange | none, default null): Keep the records whose pass rate lies in
                this range, ends included, such as "0.1..0.9": neither too hard nor too easy for the model
                that answered.
            tests (str, default ""): The column that holds the tests; "" looks for the usual ones.
            sandbox (first | second, default "first"): The tier of the sandbox: first (part of Python,
                works everywhere), or second (all of it, on Linux).
            seconds (float, > 0, <= 600, default 5.0): Most time that the code, and each of its tests by
                data, may take.
            most_tests (int, >= 1, default 100): Most tests by data (inputs with outputs) that are run for
                an answer; those beyond are counted and told.
        """

    def verify_json(
        self,
        *,
        keep: Literal["all", "verified"] = "all",
        choose: Literal["as_it_is", "verified"] = "as_it_is",
        keep_pass_rate: str | None = None,
        json_schema: Mapping[str, str] | None = None,
        column: str = "",
        bare: bool = False,
        seconds: float = 5.0,
    ) -> Dataset:
        """Hold the JSON of each answer against a JSON schema, and the arguments of its calls against its
        tools' schemas.

        Args:
            keep (all | verified, default "all"): Keep all records, or those alone whose answer, the one
                that ends the conversation, is verified.
            choose (as_it_is | verified, default "as_it_is"): Which of several answers ends the
                conversation: that which does, or a verified one (the first, unless that which does is
                verified). A record that has none stays as it is.
            keep_pass_rate (ShareRange | none, default null): Keep the records whose pass rate lies in
                this range, ends included, such as "0.1..0.9": neither too hard nor too easy for the model
                that answered.
            json_schema (mapping of str to Any | none, default null): The schema of all answers; without
                it each row's own.
            column (str, default ""): The column that holds the schema; "" looks for the usual ones.
            bare (bool, default false): Take only answers that are JSON and nothing else, without a fence
                or words around it.
            seconds (float, > 0, <= 600, default 5.0): Most time that holding one value against a schema
                may take.
        """

    def verify_math(
        self,
        *,
        keep: Literal["all", "verified"] = "all",
        choose: Literal["as_it_is", "verified"] = "as_it_is",
        keep_pass_rate: str | None = None,
        reference: str = "",
        seconds: float = 5.0,
    ) -> Dataset:
        """Hold the final answer of each response against a reference: numbers, multiple choice, formulas.

        Args:
            keep (all | verified, default "all"): Keep all records, or those alone whose answer, the one
                that ends the conversation, is verified.
            choose (as_it_is | verified, default "as_it_is"): Which of several answers ends the
                conversation: that which does, or a verified one (the first, unless that which does is
                verified). A record that has none stays as it is.
            keep_pass_rate (ShareRange | none, default null): Keep the records whose pass rate lies in
                this range, ends included, such as "0.1..0.9": neither too hard nor too easy for the model
                that answered.
            reference (str, default ""): The column that holds the reference answer; "" looks for the
                usual ones.
            seconds (float, > 0, <= 600, default 5.0): Most time that comparing two formulas may take.
        """

    def write_checkers(
        self,
        *,
        model: Model = "",
        drafts: int = 4,
        without: Literal["keep", "drop"] = "keep",
        sandbox: Literal["first", "second"] = "first",
        back_translate: bool = True,
        temperature: float = 1.0,
        max_tokens: int = 1024,
    ) -> Dataset:
        """Have a model write checkers in Python for the constraints that no code can check yet (AutoIF).

        Args:
            model (str, default ""): The chat model that writes functions and cases, and puts functions
                back into words.
            drafts (int, >= 1, default 4): Replies drawn for a constraint, each with a function and its
                test cases.
            without (keep | drop, default "keep"): What becomes of a record of whose constraints one got
                no checker: it goes on and that constraint is judged, or it is let go.
            sandbox (first | second, default "first"): The tier of the sandbox that runs the code: first
                (part of Python, works everywhere) or second (all of it).
            back_translate (bool, default true): Put each function back into words, and let it go where
                those contradict the constraint.
            temperature (float, >= 0, default 1.0): Sampling temperature of the drafts.
            max_tokens (int, >= 1, default 1024): Most tokens of a draft.
        """

    def __getattr__(self, name: str) -> Callable[..., Dataset]: ...  # a plug-in's step
    def __dir__(self) -> list[str]: ...
