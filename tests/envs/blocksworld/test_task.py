import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

import edgewise
from edgewise.envs.blocksworld.plan import HAND, TABLE, carry_out, shortest_plan
from edgewise.envs.blocksworld.task import Blocksworld, Problem
from edgewise.envs.blocksworld.text import read_plan

TASK = Blocksworld()
PRESETS = list(TASK.presets)
PLAN_LENGTHS = {1: 1, 2: 2, 3: 4, 4: 6, 5: 8}
HERE = Problem((("A", "B"), ("B", TABLE), ("C", TABLE)), (("B", "C"),))  # A waits on the table
PLAN = ["unstack A B", "put-down A", "pick-up B", "stack B C"]


def make(preset, level, **options):
    return gym.make(
        "Blocksworld-v0", preset=preset, levels=(level,), allow_ood=True, **options
    ).unwrapped


def posed(env, count, start=0):
    for seed in range(start, start + count):
        options = {"level": env.levels[0], "params": {}, "problem_seed": seed}
        yield env.pose(options)[0]


# What counts as a plan


@pytest.mark.parametrize(
    "answer",
    [
        "unstack the A block from on top of the B block\nput down the A block\n"
        "pick up the B block\nstack the B block on top of the C block",
        "1. Unstack the A block from on top of the B block.\n2. Put down the A block.\n"
        "3. Pick up the B block.\n4. Stack the B block on top of the C block.",
        "(unstack a b)\n(put-down a)\n(pick-up b)\n(stack b c)",
        "(UNSTACK A B) (PUT-DOWN A) (PICK-UP B) (STACK B C)",
        "unstack(a, b), put-down(a), pick-up(b), stack(b, c)",
        "Step 1: unstack A B\r\n- put down A\n* pick up B\n\n 4) stack B on top of C",
        "A^,A>_,B^,B>C",
        "a^ a>_\nb^ b>c",
    ],
)
def test_every_form_of_a_plan_counts(answer):
    assert TASK.verify(HERE, answer)
    assert TASK.credit(HERE, answer) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n".join(PLAN[:3]),  # stops before the goal
        "\n".join(PLAN[2:]),  # B is not clear
        "\n".join([*PLAN, "pick-up B"]),  # B is not on the table
        "\n".join([*PLAN, "stack B"]),
        "\n".join([*PLAN, "and we are done"]),
        "pick-up A\nput-down A\npick-up B\nstack B C",  # A is not on the table
        "unstack A C\nput-down A\npick-up B\nstack B C",  # A is not on C
        "unstack A table\nput-down A\npick-up B\nstack B C",
        "unstack A B\nstack A table\npick-up B\nstack B C",
        "unstack A B\nstack A hand\npick-up B\nstack B C",
        "unstack A B\nput-down A\npick-up B\nstack B B",
        "unstack A B\nput-down A\npick-up B\nstack B D",
        "unstack A B\npick-up B\nstack B C",  # the hand is full
        "unstack A B\nput-down B\npick-up B\nstack B C",
        "stack B C",
        "B>C",
        "A^,A>table,B^,B>C",
        "A^,A>hand,B^,B>C",
        "A^,^,B^,B>C",
        "on b c",
        "the B block is on top of the C block",
    ],
)
def test_near_misses_do_not(answer):
    assert not TASK.verify(HERE, answer)
    assert TASK.credit(HERE, answer) == 0.0


def test_another_arrangement_that_has_the_goal_counts():
    start = (("A", "B"), ("B", TABLE), ("C", TABLE), ("D", TABLE))
    problem = Problem(start, (("B", "C"),))
    assert TASK.verify(problem, "unstack A B\nstack A D\npick-up B\nstack B C")


def test_a_longer_plan_earns_less():
    problem = Problem((("A", TABLE), ("B", TABLE)), (("A", "B"),))
    waste = "pick-up A\nput-down A\n"
    assert TASK.credit(problem, "pick-up A\nstack A B") == 1.0
    assert TASK.credit(problem, f"{waste}pick-up A\nstack A B") == 0.75  # (1 + 2 / 4) / 2
    long = TASK.credit(problem, waste * 200 + "pick-up A\nstack A B")
    assert 0.5 < long < 0.51
    assert not TASK.verify(problem, waste * 2000 + "pick-up A\nstack A B")  # too long to be read


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        ("<think>{}</think><answer>unstack A B\nput-down A\npick-up B\nstack B C</answer>", 3.0),
        # 6 actions where 4 are enough: 1 + (1 + 4 / 6)
        ("<think>{}</think><answer>A^ A>_ A^ A>_ B^ B>C</answer>", 1 + 1 + 4 / 6),
        ("<think>{}</think><answer>pick up the A block</answer>", 1.0),
        ("<think>{}</think><answer>nonsense</answer>", 1.0),
        ("<answer>A^ A>_ B^ B>C</answer>", 0.0),
        ("<think></think><answer>A^ A>_ B^ B>C</answer>", 0.0),
        (r"\boxed{{A^ A>_ B^ B>C}}", 0.0),
    ],
)
def test_rewards_of_e2h(text, reward):
    env = make("e2h", 1)
    outcome = env.score([HERE], [()], [text.format("hm")])[0]
    assert outcome.reward == pytest.approx(reward)
    assert outcome.correct == (reward > 1)


def test_hostile_plans_do_not_raise():
    texts = [
        "pick up " * 1200, "1. " * 3000, "\n" * 9999, " " * 9999, "1" * 9999, "a>" * 4999,
        "^" * 9999, "(" * 9999, "pick-up a\nput-down a\n" * 450, "stack a a " * 999, "\t1" * 4999,
        "a^ a>_ " * 1400 + "{0.__class__}", "__import__('os').system('true')", "a^\ud800", "step " * 1999,
    ]  # fmt: skip
    for text in texts:
        assert TASK.verify(HERE, text) is False
        assert Blocksworld(interactive=True).turn(HERE, [text]).correct is False
        assert TASK.parse(text, text) is None
    assert read_plan("") == []


# Prompts, in words and in PDDL


def test_prompt_of_e2h():
    start = (("yellow", HAND), ("orange", TABLE), ("purple", "orange"), ("magenta", "purple"))
    goal = (("orange", HAND), ("magenta", "yellow"), ("purple", TABLE), ("yellow", TABLE))
    prompt = TASK.prompt(Problem(start, goal), TASK.presets["e2h"].template)
    assert prompt == (
        "I am playing with a set of blocks where I need to arrange the blocks into stacks. Here "
        "are the actions I can do\n \n Pick up a block\n Unstack a block from on top of another "
        "block\n Put down a block\n Stack a block on top of another block\n \n I have the "
        "following restrictions on my actions:\n I can only pick up or unstack one block at a "
        "time.\n I can only pick up or unstack a block if my hand is empty.\n I can only pick up "
        "a block if the block is on the table and the block is clear.\n A block is clear if the "
        "block has no other blocks on top of it and if the block is not picked up.\n I can only "
        "unstack a block from on top of another block if the block I am unstacking was really on "
        "top of the other block.\n I can only unstack a block from on top of another block if the "
        "block I am unstacking is clear.\n Once I pick up or unstack a block, I am holding the "
        "block.\n I can only put down a block that I am holding.\n I can only stack a block on top "
        "of another block if I am holding the block being stacked.\n I can only stack a block on "
        "top of another block if the block onto which I am stacking the block is clear.\n Once I "
        "put down or stack a block, my hand becomes empty.\n \n Here is the format of the "
        "actions:\n pick up the [block_name] block\n unstack the [block_name] block from on top "
        "of the [another_block_name] block\n put down the [block_name] block\n stack the "
        "[block_name] block on top of the [another_block_name] block\n \n [Problem]\n"
        " Here is the initial state of the blocks: the magenta block is clear, the hand is holding "
        "the yellow block, the orange block is on the table, the purple block is on top of the "
        "orange block and the magenta block is on top of the purple block\n Here is the goal state "
        "of the blocks: the hand is holding the orange block, the magenta block is on top of the "
        "yellow block, the purple block is on the table and the yellow block is on the table. Show "
        "your work in <think> </think> tags. After that, provide the final answer in <answer> "
        "</answer> tags, for example:\n <answer>\n unstack the cyan block from on top of the "
        "emerald block\n put down the cyan block\n </answer>\n"
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_a_prompt_is_parsed_back(preset):
    for level in PLAN_LENGTHS:
        env = make(preset, level)
        for problem in posed(env, 50):
            parsed = TASK.parse(env.prompt(problem), "")
            assert TASK.canonical(parsed) == TASK.canonical(problem)
            assert parsed.notation == problem.notation and parsed.num_actions is None
            assert TASK.credit(parsed, TASK.solve(problem)) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "the goal",
        "(:init (ontable a)) (:goal",
        "(:init (ontable a) (holding a)) (:goal (holding a))",  # in two places
        "(:init (on a b) (on b a)) (:goal (ontable a))",
        "(:init (on a b)) (:goal (ontable a))",  # b is nowhere
        "(:init (ontable a) (on b a) (on c a)) (:goal (ontable b))",
        "(:init (holding a) (on b a)) (:goal (ontable b))",
        "(:init (holding a) (holding b)) (:goal (ontable b))",
        "(:init (ontable top)) (:goal (holding top))",
        "(:init (ontable table)) (:goal (holding table))",
        "(:init (ontable a) (ontable A)) (:goal (holding a))",
        "(:init (ontable a)) (:goal (ontable b))",
        "(:init (ontable a) (holding b)) (:goal (clear b))",  # goals are places
        "(:init (ontable a) (holding b)) (:goal (handempty))",
        "(:init (ontable a) (holding b)) (:goal (and (not (ontable a))))",
        "A>A -> A>_ in",
        "A B -> ",
        "A>_>B -> A>B ",
        "->" * 9999,
        "the goal " * 9999,
        "A " * 9999,
        "((on a " * 9999 + "(:init goal",
    ],
)
def test_text_that_states_no_problem_is_none(text):
    assert TASK.parse(text, "") is None


# One action at a time


@pytest.fixture(params=PRESETS)
def stepwise(request):
    return gym.make("Blocksworld-v0", preset=request.param, interactive=True, levels=(3,)).unwrapped


def say(env, answer):
    tagged = f"<answer>{answer}</answer>"
    if env.preset.answer == "boxed":
        return rf"\boxed{{{answer}}}"
    return f"<think>so</think>{tagged}" if env.preset.answer == "think_answer" else tagged


def test_gymnasium_accepts_single_actions(stepwise):
    check_env(stepwise)


def test_a_plan_is_carried_out_action_by_action(stepwise):
    for seed in range(20):
        prompt, info = stepwise.reset(seed=seed)
        assert "one action at a time" in prompt or "one by one: " in prompt
        assert edgewise.pose(info["problem"]).render() == prompt
        plan = shortest_plan(dict(stepwise.problem.start), stepwise.problem.goal)
        state = dict(stepwise.problem.start)
        for move in plan[:-1]:
            carry_out(state, move)
            text, reward, done, _, info = stepwise.step(say(stepwise, written(stepwise, move)))
            assert not done and reward == 0.0 and not info["correct"]
            told = TASK.parse(f"{wrapped(stepwise, text)}", "")
            assert dict(told.start) == state
        text, reward, done, _, info = stepwise.step(say(stepwise, written(stepwise, plan[-1])))
        assert done and info["correct"] and reward == stepwise.preset.rewards[0] and text == ""


def written(env, move):
    block, origin, place = move
    if env.problem.notation == "compact":
        return f"{block}^" if place == HAND else f"{block}>{'_' if place == TABLE else place}"
    if place == HAND:
        return f"pick-up {block}" if origin == TABLE else f"unstack {block} {origin}"
    return f"put-down {block}" if place == TABLE else f"stack {block} {place}"


def wrapped(env, text):
    """The observation as the start of a problem with the goal of the one posed."""
    if env.problem.notation == "compact":
        return f"{text} -> {env.problem.goal[0][0]}^ "
    block = env.problem.goal[0][0]
    if env.problem.notation == "pddl":
        return f"(:init {text}) (:goal (holding {block}))"
    return f"{text}. goal: the hand is holding the {block} block"


def test_an_impossible_action_changes_nothing_and_counts():
    env = make("seedling", 1, interactive=True)
    start = Problem((("A", TABLE), ("B", TABLE)), (("A", "B"),), "compact")
    turns = [
        env.task.turn(start, answers) for answers in (["B>A"], ["B>A", "A^"], ["B>A", "A^", "A>B"])
    ]
    assert [turn.observation for turn in turns] == ["Not possible. A B", "A^ B", ""]
    assert [turn.done for turn in turns] == [False, False, True]
    assert turns[2].correct and turns[2].credit == pytest.approx((1 + 2 / 3) / 2)


def test_two_actions_in_one_turn_are_refused():
    task = Blocksworld(interactive=True)
    turn = task.turn(HERE, ["\n".join(PLAN)])
    assert not turn.done and turn.observation.startswith("Not possible. the A block is clear")


def test_the_turns_are_limited():
    task = Blocksworld(interactive=True, max_turns=3)
    assert not task.turn(HERE, ["A^", "A>B"]).done
    turn = task.turn(HERE, ["A^", "A>B", "A^"])
    assert turn.done and not turn.correct and turn.credit == 0.0
    with pytest.raises(ValueError, match="`max_turns` must be at least 1"):
        Blocksworld(max_turns=0)


def test_an_action_without_the_format_ends_the_episode(stepwise):
    stepwise.reset(seed=0)
    _, reward, done, _, info = stepwise.step("no tags")
    assert done and not info["formatted"] and reward == stepwise.preset.rewards[2]


def test_groups_play_side_by_side():
    envs = gym.make_vec(
        "Blocksworld-v0", num_envs=4, group_size=2, preset="seedling", levels=(2,), interactive=True
    )
    envs.reset(seed=1)
    plans = [
        [rf"\boxed{{{action}}}" for action in TASK.solve(problem).split(",")]
        for problem in envs.unwrapped.problems
    ]
    _, rewards, done, _, _ = envs.step([plans[0][0], "none", plans[1][0], r"\boxed{?}"])
    assert rewards.tolist() == [0, 0, 0, 0] and done.tolist() == [False, True, False, False]
    _, rewards, done, _, _ = envs.step([plans[0][1], "", plans[1][1], plans[1][0]])
    assert rewards.tolist() == [1, 0, 1, 0] and done.tolist() == [True, True, True, False]
