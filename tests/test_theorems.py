"""The whole catalogue: nothing vacuous, everything proved or refuted as expected, every status earned."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tokendemo_formal.cli import main
from tokendemo_formal.errors import InputError
from tokendemo_formal.logic.terms import Term, each, exp, implies, term
from tokendemo_formal.logic.values import Instance
from tokendemo_formal.numbers.base import Log
from tokendemo_formal.proving import library
from tokendemo_formal.proving import proof as proving
from tokendemo_formal.proving.document import COMMAND, document
from tokendemo_formal.proving.kernel import Axiom, ByHand, Exactly, Fact, Kernel, Obligation, ProofError, Used
from tokendemo_formal.proving.proof import Proof, Result, Status, run, status_of
from tokendemo_formal.proving.report import settled, table
from tokendemo_formal.proving.solvers import available, default_solvers
from tokendemo_formal.theorems import Theorem, catalogue, theorem
from tokendemo_formal.theorems.scrutiny import faults, killer, mutants, score, unused
from tokendemo_formal.theorems.setting import hi, k, lo, m, s_S, s_U, share
from tokendemo_formal.theorems.share import DILUTION

ROOT = Path(__file__).parents[1]
Proofs = tuple[Mapping[str, Result], Kernel]
THEOREMS = list(catalogue().values())


# The catalogue -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", THEOREMS, ids=lambda of: of.name)
def test_statements_are_not_vacuous(of: Theorem) -> None:
    assert faults(of) == []


def test_each_theorem_has_a_script_and_each_script_a_theorem() -> None:
    assert {path.stem for path in library.directory().glob("*.py")} == set(catalogue())
    for name in catalogue():
        assert f'main("{name}", prove)' in (library.directory() / f"{name}.py").read_text(encoding="utf-8")


def test_expected_verdicts_are_reached(proofs: Proofs) -> None:
    assert {name: r.problem for name, r in proofs[0].items() if not settled(r)} == {}


def test_few_theorems_rest_on_steps_by_hand(proofs: Proofs) -> None:
    lowest = Status.SMT_TWICE if len(default_solvers()) == 2 else Status.SMT
    weak = {name: r.status.value for name, r in proofs[0].items() if r.status.rank > lowest.rank}
    assert len(weak) <= 3, weak


def test_what_a_proof_rests_on_is_declared(proofs: Proofs) -> None:
    for name, result in proofs[0].items():
        assert set(result.uses) == _all_uses(theorem(name)), name


def _all_uses(of: Theorem) -> set[str]:
    return set(of.uses).union(*(_all_uses(theorem(name)) for name in of.uses))


def test_statuses_are_no_better_than_those_of_what_is_used(proofs: Proofs) -> None:
    for name, result in proofs[0].items():
        for used in theorem(name).uses:
            assert result.status.rank >= proofs[0][used].status.rank, (name, used)


def test_no_assumption_is_idle(proofs: Proofs) -> None:
    """What a proof does without is not assumed."""
    proved = {name: r for name, r in proofs[0].items() if r.verdict == "proved"}
    assert {name: found for name, r in proved.items() if (found := unused(theorem(name), r.assumptions))} == {}


def test_mutants_are_refuted() -> None:
    count, survivors = score(THEOREMS)
    assert count >= len([of for of in THEOREMS if of.expected == "proved"])
    assert len(survivors) <= 0.05 * count
    unexplained = [f"{of.name}: {mutant.label}" for of, mutant in survivors if mutant.label not in of.surviving]
    assert unexplained == []


def test_the_page_is_fresh(proofs: Proofs) -> None:
    if len(default_solvers()) < 2:
        pytest.skip("statuses on the page are those with cvc5")
    page = (ROOT / "docs" / "theorems.md").read_text(encoding="utf-8")
    assert page == document(proofs[0]), f"docs/theorems.md is stale: {COMMAND}"
    for name in catalogue():
        assert f"\n## {name}\n" in page


# Statuses ----------------------------------------------------------------------------------------------------------

TWICE = Obligation("a", "QF_LRA", (("z3", "unsat"), ("cvc5", "unsat")), "")
ONCE = Obligation("b", "QF_LRA", (("z3", "unsat"),), "")
SECOND_GAVE_UP = Obligation("c", "QF_LRA", (("z3", "unsat"), ("cvc5", "unknown")), "")
BY_HAND = ByHand("a claim", "an argument")


@pytest.mark.parametrize(
    ("grounds", "status"),
    [
        ([], Status.EXACT),
        ([Exactly("x"), Axiom("exp_zero")], Status.EXACT),
        ([TWICE], Status.SMT_TWICE),
        ([TWICE, Exactly("x"), Used("y"), Axiom("exp_zero")], Status.SMT_TWICE),
        ([TWICE, ONCE], Status.SMT),
        ([ONCE, TWICE, Exactly("x")], Status.SMT),
        ([TWICE, SECOND_GAVE_UP], Status.SMT),
        ([BY_HAND], Status.BY_HAND),
        ([BY_HAND, TWICE, ONCE], Status.BY_HAND),
        ([Exactly("x"), BY_HAND], Status.BY_HAND),
    ],
)
def test_statuses_are_the_worst_of_their_grounds(grounds: list[Any], status: Status) -> None:
    for order in (grounds, grounds[::-1]):
        assert status_of(order) is status


def test_statuses_are_ordered() -> None:
    ranks = [s.rank for s in (Status.SMT_TWICE, Status.SMT, Status.BY_HAND, Status.TESTED, Status.STATED)]
    assert ranks == sorted(set(ranks))
    assert Status.REFUTED.rank == Status.EXACT.rank == Status.SMT_TWICE.rank


def attempt(prove: Callable[[Proof], None], of: Theorem = DILUTION, solvers: Any = None) -> Result:
    return run(of.name, prove, Kernel(solvers))


def test_one_solver_is_worth_less_than_two() -> None:
    assert attempt(library.script("dilution"), solvers=("z3",)).status is Status.SMT
    if available("cvc5"):
        assert attempt(library.script("dilution"), solvers=("cvc5",)).status is Status.SMT
        assert attempt(library.script("dilution")).status is Status.SMT_TWICE


def test_a_step_by_hand_lowers_the_status() -> None:
    def prove(p: Proof) -> None:
        p.conclude([p.by_hand(p.theorem.conclusion, "the share is as small as everyone can see it to be")])

    result = attempt(prove)
    assert (result.verdict, result.status) == ("proved", Status.BY_HAND)
    assert [h.argument for h in result.by_hand] == ["the share is as small as everyone can see it to be"]


def pretend_to_have_shown(p: Proof) -> None:
    p.shown = p.kernel.assume(p.theorem.conclusion)


def pretend_with_another_conclusion(p: Proof) -> None:
    p.shown = p.kernel.arithmetic(share <= share)


def stop_halfway(p: Proof) -> None:
    p.say("Clearly.")


def skip_a_step(p: Proof) -> None:
    p.conclude(p.assumptions)


def assume_the_conclusion(p: Proof) -> None:
    p.conclude([p.kernel.assume(p.theorem.conclusion)])


def assume_what_is_not_assumed(p: Proof) -> None:
    p.assumption("the moon is round")


def use_what_is_not_declared(p: Proof) -> None:
    p.use("dilution")


def refute_what_has_no_refutation(p: Proof) -> None:
    p.refute()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (pretend_to_have_shown, "what was shown assumes more than the theorem"),
        (pretend_with_another_conclusion, "what was shown is not the theorem's conclusion"),
        (stop_halfway, "nothing was concluded"),
        (skip_a_step, "does not follow"),
        (assume_the_conclusion, "what was shown assumes more than the theorem"),
        (assume_what_is_not_assumed, "not 'the moon is round'"),
        (use_what_is_not_declared, "does not say in its uses that it rests on dilution"),
        (refute_what_has_no_refutation, "comes without a refutation"),
    ],
)
def test_scripts_that_do_not_prove_have_failed(script: Callable[[Proof], None], told: str) -> None:
    result = attempt(script)
    assert result.verdict == "failed"
    assert result.status is Status.TESTED  # all instances bear it out, and that is all
    assert told in result.problem


def test_a_timeout_is_no_proof() -> None:
    result = run("dilution", library.script("dilution"), Kernel(seconds=1e-6))
    assert result.verdict == "gave-up"
    assert result.status is Status.TESTED


FALSE_CLAIM = dataclasses.replace(
    DILUTION,
    name="no_dilution",
    conclusion=share >= Fraction(1, 2),
    expected="refuted",
    sharp={},
    probes=(),
    refutation=DILUTION.witness.but("five tokens against two", m=3, s_U=[Log(Fraction(4))] * 3),
)


def test_refutations_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def prove(p: Proof) -> None:
        p.refute({"the share": share}, "it is less than a half")

    monkeypatch.setattr(proving, "theorem", lambda name: FALSE_CLAIM)
    result = attempt(prove, FALSE_CLAIM)
    assert (result.verdict, result.status) == ("refuted", Status.REFUTED)
    assert "the share = 1/3" in [step.claim for step in result.steps]

    not_met = dataclasses.replace(FALSE_CLAIM, refutation=DILUTION.sharp["the system's scores are at most hi"])
    monkeypatch.setattr(proving, "theorem", lambda name: not_met)
    assert "the refutation fails" in attempt(prove, not_met).problem
    holds_after_all = dataclasses.replace(FALSE_CLAIM, refutation=DILUTION.witness)
    monkeypatch.setattr(proving, "theorem", lambda name: holds_after_all)
    assert attempt(prove, holds_after_all).verdict == "failed"
    assert attempt(prove, holds_after_all).status is Status.STATED


# Bad statements ----------------------------------------------------------------------------------------------------


def changed(**fields: Any) -> Theorem:
    return dataclasses.replace(DILUTION, **fields)


MORE: dict[str, Term] = dict(DILUTION.assumptions)

BAD: list[tuple[str, Theorem, str]] = [
    (
        "assumptions that nothing meets",
        changed(assumptions={**MORE, "fewer tokens than none": k + m < 0}),
        "witness: does not meet the assumption 'fewer tokens than none'",
    ),
    (
        "an assumption that is always true",
        changed(assumptions={**MORE, "naturals": k >= 0}, sharp={**DILUTION.sharp, "naturals": DILUTION.witness}),
        "sharp for 'naturals': does not break that assumption",
    ),
    (
        "an assumption that is not needed",
        changed(
            assumptions={**MORE, "three": m <= 3},
            sharp={**DILUTION.sharp, "three": DILUTION.witness.but(m=4, s_U=[0] * 4)},
        ),
        "sharp for 'three': does not break the conclusion",
    ),
    (
        "an assumption that nothing shows to be needed",
        changed(assumptions={**MORE, "three": m <= 3}),
        "nothing shows that the assumption is needed: three",
    ),
    (
        "an assumption about nothing else",
        changed(assumptions={**MORE, "elsewhere": term(1) <= s_S(0) * 0}),
        "multiplies by 0",
    ),
    ("a constant in disguise", changed(assumptions={**MORE, "no room": lo.eq(0)}), "makes lo a constant"),
    (
        "a conclusion without its object",
        changed(conclusion=lo <= hi),
        "the conclusion does not mention s_S",
    ),
    (
        "an object that makes no difference",
        changed(conclusion=each(0, lambda i: s_S(i) <= s_U(i))),
        "the conclusion says the same whatever s_S is",
    ),
    ("a conclusion that is always true", changed(conclusion=share <= share), "compares a number with itself"),
    ("a constant conclusion", changed(conclusion=implies(share <= 1, exp(term(0)) <= 1)), "compares constants"),
    ("a witness that breaks the conclusion", changed(conclusion=share > 1), "witness: the conclusion is not shown"),
    ("no words", changed(why=""), "why is empty"),
    ("no object", changed(about=()), "about is empty"),
    (
        "a reason for a mutant that dies",
        changed(surviving={"assumption dropped: there is a token": "because"}),
        "surviving names no surviving mutant: assumption dropped: there is a token",
    ),
    (
        "a refutation that refutes nothing",
        dataclasses.replace(FALSE_CLAIM, refutation=DILUTION.witness),
        "the refutation does not break the conclusion",
    ),
    ("sharp of a refuted claim", dataclasses.replace(FALSE_CLAIM, sharp=DILUTION.sharp), "leave sharp empty"),
]


@pytest.mark.parametrize(("of", "told"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_statements_have_faults(of: Theorem, told: str) -> None:
    found = faults(of)
    assert any(told in fault for fault in found), found


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"conclusion": share}, "conclusion has to be a proposition"),
        ({"name": "not a name"}, "can't name a theorem"),
        ({"sharp": {"unheard of": DILUTION.witness}}, "sharp names no assumption: ['unheard of']"),
        ({"expected": "refuted"}, "exactly the statements expected to be refuted have a refutation"),
        ({"refutation": DILUTION.witness}, "exactly the statements expected to be refuted have a refutation"),
    ],
)
def test_malformed_theorems_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        changed(**wrong)


def test_idle_assumptions_are_told() -> None:
    names = list(DILUTION.assumptions)
    assert unused(DILUTION, names) == []
    assert unused(DILUTION, names[1:]) == names[:1]
    # without a token the conclusion has no value: a proof may hold whatever 0/0 is
    assert unused(DILUTION, names[:2]) == []


def test_weak_statements_leave_mutants_alive() -> None:
    weak = changed(conclusion=share <= 2 * k * exp(hi) / (k * exp(hi) + m * exp(lo)))
    alive = [mutant.kind for mutant in mutants(weak) if killer(mutant, weak) is None]
    assert "bound strengthened by 1 %" in alive
    assert score([DILUTION])[1] == []
    assert mutants(FALSE_CLAIM) == []


# Running many ------------------------------------------------------------------------------------------------------


def test_results_come_from_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(catalogue())[:2]
    results = {r.name: r for r in library.prove_all(names, workers=2)}
    assert set(results) == set(names)
    assert all(settled(r) for r in results.values())


SCRIPTS = {
    "good": "def prove(p): p.conclude([p.by_hand(p.theorem.conclusion, 'this is only here to have a proof at all')])",
    "dies": "import os\ndef prove(p): os._exit(9)",
    "raises": "def prove(p): raise KeyError('surprise')",
    "broken": "def prove(p: \n",
    "empty": "",
    "hangs": "import time\ndef prove(p): time.sleep(600)",
}

RUN = """
import dataclasses, json, sys
from pathlib import Path
import tokendemo_formal.theorems as theorems
from tokendemo_formal.proving import library, proof

here = Path(sys.argv[1])
found = {p.stem: dataclasses.replace(theorems.theorem('dilution'), name=p.stem) for p in here.glob('[a-z]*.py')}
found['missing'] = dataclasses.replace(theorems.theorem('dilution'), name='missing')
for module in (library, proof):
    module.theorem = found.__getitem__
library.directory = lambda: here
library._PATIENCE = 10.0

if __name__ == '__main__':
    for r in library.prove_all(sorted(found), seconds=1.0, workers=2):
        print(json.dumps([r.name, r.verdict, r.problem]), flush=True)
"""


@pytest.mark.slow
def test_a_script_that_breaks_takes_no_other_with_it(tmp_path: Path) -> None:
    """One exits its process, one raises, one does not compile, one defines nothing, one is not there, one hangs."""
    (tmp_path / "scripts").mkdir()
    for name, content in SCRIPTS.items():
        (tmp_path / "scripts" / f"{name}.py").write_text(content)
    (tmp_path / "run.py").write_text(RUN)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "scripts")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    results = {name: (verdict, problem) for name, verdict, problem in map(json.loads, done.stdout.splitlines())}
    assert results.keys() == {*SCRIPTS, "missing"}
    assert results["good"] == ("proved", "")
    assert results["dies"] == ("failed", "the process that ran the proof script died")
    assert results["raises"][1].startswith("KeyError in ")
    assert results["broken"][1].startswith("SyntaxError in ")
    assert "defines no function prove(p)" in results["empty"][1]
    assert results["missing"] == ("failed", "there is no proof script")
    assert results["hangs"] == ("gave-up", "it was stopped after 10 s")
    assert done.stderr == ""


def test_an_interruption_is_clean(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "scripts" / f"{name}.py").write_text("import time\ndef prove(p): time.sleep(60)")
    ending = "\n    print('not interrupted')"
    (tmp_path / "run.py").write_text(
        RUN.replace("    for r in", "    print('ready', flush=True)\n    for r in") + ending
    )
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "scripts")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=interruptible,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=40)  # the scripts sleep for a minute
    assert "not interrupted" not in out
    assert err.count("KeyboardInterrupt") == 1  # the parent's own, which the command line turns into one line
    assert not _alive(process.pid)


def interruptible() -> None:
    """A process started in a shell's background would ignore interruptions, and its children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _alive(group: int) -> bool:
    for _ in range(50):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.1)
    return True


# The command line --------------------------------------------------------------------------------------------------


def test_prove_prints_a_table_by_claim(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "dilution"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert [line[:2] for line in lines if re.match(r"C\d  ", line)] == ["C2", "C5"]
    assert len([line for line in lines if line.startswith("  dilution  proved   proved: smt")]) == 2
    assert "there is a token" in printed.out
    assert re.fullmatch(r"1 theorem: 1 proved; all as expected; \d+\.\d s", lines[-1])


def test_prove_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "dilution", "--json", "--solver", "z3"]) == 0
    content = json.loads(capsys.readouterr().out)
    (told,) = content["theorems"]
    assert (told["name"], told["entry"], told["claims"]) == ("dilution", 9, ["C2", "C5"])
    assert (told["verdict"], told["expected"], told["status"]) == ("proved", "proved", "proved: smt")
    evidence = told["evidence"]
    assert evidence["assumptions"] == list(DILUTION.assumptions)
    assert evidence["axioms"] == ["exp_increasing", "exp_positive"]
    assert evidence["obligations"]["count"] == len(evidence["obligations"]["each"]) > 5
    assert evidence["obligations"]["logics"] == ["QF_LRA", "QF_NRA"]
    assert all(o["replies"] == {"z3": "unsat"} for o in evidence["obligations"]["each"])
    assert any(step["because"] == "exp is increasing" for step in evidence["steps"])
    assert told["problem"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["prove", "dillution"], "there is no theorem 'dillution'; there is dilution"),
        (["prove", "--timeout", "0"], "expected a positive number, found '0'"),
        (["prove", "--jobs", "0"], "expected a whole number, 1 or more"),
        (["prove", "--solver", "yices"], "invalid choice"),
        (["explain", "dillution"], "there is no theorem 'dillution'"),
        (["export", "dilution", "--smtlib", "file.txt"], "expected a name that ends in .smt2, or a directory"),
        (["mutants", "dillution"], "there is no theorem 'dillution'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        sys.exit(main(arguments))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err
    assert printed.err.count("\n") == 1


def test_giving_up_and_failing_have_codes_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prove", "dilution", "--timeout", "0.000001"]) == 3
    assert "! dilution  gave-up  tested" in capsys.readouterr().out

    def prove_all(names: list[str], *_: Any) -> list[Result]:
        return [Result(name, "failed", Status.STATED, problem="a reason") for name in names]

    monkeypatch.setattr(library, "prove_all", prove_all)
    assert main(["prove", "dilution"]) == 1
    printed = capsys.readouterr().out
    assert "! dilution  failed   stated" in printed
    assert "a reason" in printed
    assert "1 not as expected (!)" in printed


def test_a_table_without_theorems_is_a_line() -> None:
    assert table([], 0.0).strip() == "0 theorems: ; all as expected; 0.0 s"


@pytest.mark.parametrize("of", THEOREMS, ids=lambda of: of.name)
def test_every_theorem_is_explained(of: Theorem, proofs: Proofs) -> None:
    from tokendemo_formal.proving.report import explanation

    told = explanation(of, proofs[0][of.name])
    flat = " ".join(told.split())
    for part in (of.sentence, of.why, of.idea, of.limits, proofs[0][of.name].status.value):
        assert " ".join(part.split()) in flat
    for name in of.sharp:
        assert f"Without the assumption that {name}" in told
    if of.refutation is not None:
        assert "The counterexample" in told
        assert "is false" in told


def test_an_explanation_has_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "dilution"]) == 0
    told = capsys.readouterr().out
    assert "102/107 ≈ 0.953271 ≤ 8/11 ≈ 0.727273 is false" in told
    assert "has no value (division by 0)" in told
    assert "status: proved" in told


def test_mutation_score_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mutants", "dilution"]) == 0
    assert capsys.readouterr().out == "mutation score 100.0%: 7 of 7 mutants refuted exactly\n"


# Export ------------------------------------------------------------------------------------------------------------


def replies(solver: str, script: str) -> list[str]:
    """What a solver's own package answers to a script, command by command."""
    if solver == "z3":
        z3 = pytest.importorskip("z3")
        context = z3.Context()
        return list(z3.Z3_eval_smtlib2_string(context.ref(), script).split())
    cvc5 = pytest.importorskip("cvc5")
    engine = cvc5.Solver(cvc5.TermManager())
    parser = cvc5.InputParser(engine)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, "exported")
    printed = ""
    while not (command := parser.nextCommand()).isNull():
        printed += str(command.invoke(engine, parser.getSymbolManager()))
    return printed.split()


@pytest.mark.parametrize("solver", ["z3", "cvc5"])
def test_exported_files_are_decided_as_declared(
    solver: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, many = tmp_path / "all.smt2", tmp_path / "each"
    assert main(["export", "dilution", "--smtlib", str(one)]) == 0
    assert main(["export", "dilution", "--smtlib", str(many)]) == 0
    written = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(written) == sorted(path for path in tmp_path.rglob("*.smt2"))
    files = [path for path in sorted(many.iterdir()) if path.stem != "dilution.statement"]
    for path in files:
        content = path.read_text(encoding="utf-8")
        assert content.startswith("; dilution: ")
        assert "(set-info :status unsat)" in content
        assert re.search(r"^\(set-logic QF_[LN]RA\)$", content, re.MULTILINE)
        assert replies(solver, content) == ["unsat"]
    assert replies(solver, one.read_text(encoding="utf-8")) == ["unsat"] * len(files)
    # without its premises a step does not follow; the solvers see that the declared answer is wrong
    last = files[-1].read_text(encoding="utf-8")
    alone = re.sub(r"^\(assert (?!\(not).*\n", "", last, flags=re.MULTILINE)
    assert "sat" in replies(solver, alone.replace("(set-info :status unsat)\n", ""))


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["z3", "cvc5"])
def test_exported_obligations_of_all_theorems_are_decided(solver: str, proofs: Proofs) -> None:
    from tokendemo_formal.proving.export import obligations

    scripts = {s for name, r in proofs[0].items() for s in obligations(theorem(name), r)}
    distinct = {re.sub(r"^;.*\n", "", script, flags=re.MULTILINE) for script in scripts}
    for script in distinct:
        assert replies(solver, script) == ["unsat"]


@pytest.mark.parametrize("of", THEOREMS, ids=lambda of: of.name)
def test_statements_as_smtlib_are_read_by_both_solvers(of: Theorem) -> None:
    from tokendemo_formal.proving.export import statement

    script = statement(of)
    assert f"(set-info :status {'sat' if of.expected == 'refuted' else 'unsat'})" in script
    for solver in ("z3", "cvc5"):
        assert replies(solver, script.replace("(check-sat)\n", "")) == []


def test_a_proof_that_gave_up_is_not_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "dilution", "--smtlib", str(tmp_path / "a.smt2"), "--timeout", "0.000001"]) == 2
    assert "there is nothing to export" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# Proof scripts -----------------------------------------------------------------------------------------------------


def test_a_proof_runs_alone() -> None:
    command = [sys.executable, str(ROOT / "proofs" / "dilution.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    for part in (
        "assumed:",
        "to show:",
        "proved: dilution",
        "axioms   exp_increasing, exp_positive",
        "exp is increasing",
    ):
        assert part in done.stdout


def test_facts_of_one_kernel_serve_another_proof() -> None:
    """Lemmas are shown once a kernel; what a later proof takes over still counts among its grounds."""
    kernel = Kernel()
    first, second = (run("dilution", library.script("dilution"), kernel) for _ in range(2))
    assert first.obligations == second.obligations
    assert first.status is second.status


def test_names_of_lemmas_and_theorems_do_not_mix() -> None:
    kernel = Kernel()
    kernel.known["lemma", "dilution"] = kernel.assume(share <= 0)
    user = changed(name="user", uses=("dilution",))
    p = Proof(user, kernel, library.script)
    fact = p.use("dilution")
    assert isinstance(fact, Fact)
    assert fact.conclusion == DILUTION.conclusion


def test_a_theorem_that_is_refuted_can_not_be_used() -> None:
    user = changed(name="user", uses=("dilution",))
    p = Proof(user, Kernel(), lambda name: stop_halfway)
    with pytest.raises(ProofError, match="its script does not prove it"):
        p.use("dilution")


def test_an_instance_without_a_value_bears_nothing_out() -> None:
    lacking = changed(witness=Instance({"k": 1}))
    assert proving.unproved(lacking).status is Status.STATED
