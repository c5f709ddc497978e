"""What is observed after a turn, in the markup of a chat or as it is."""

import gymnasium as gym
import pytest

from edgewise.frame import Frame
from edgewise.wrappers import Attempts, PromptFormat, Tools, vector

TOLD = "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
CALL = "<calculator>1 + 1</calculator>"  # in the thought that the frame opens


def test_an_observation_is_the_next_message_of_a_chat_and_else_as_it_is():
    assert Frame(chat=True).further("Wrong.") == TOLD.format("Wrong.")
    assert Frame(before="Q: ", after=" A:").further("Wrong.") == "Wrong."
    with pytest.raises(ValueError, match="keep what was said"):
        Frame(chat=True).further("Wrong.", render=lambda messages: messages[-1]["content"])


def test_both_forms_put_further_turns_in_the_frame_and_results_of_tools_into_the_text():
    env = gym.make("Countdown-v0", preset="e2h")  # a chat
    env = PromptFormat(Tools(Attempts(env, 2), ["calculator"]))
    envs = gym.make_vec("Countdown-v0", num_envs=2, group_size=2, preset="e2h")
    envs = vector.PromptFormat(vector.Tools(vector.Attempts(envs, 2), ["calculator"]))
    prompt, info = env.reset(seed=0)
    options = {key: info[key] for key in ("level", "problem_seed")}
    assert envs.reset(options=options)[0] == (prompt, prompt)
    for action in (CALL, "2</think> <answer>1</answer>", "no answer"):
        observation, reward, terminated, _, _ = env.step(action)
        texts, rewards, done, _, _ = envs.step([action, None])
        assert (texts[0], rewards[0], done[0]) == (observation, reward, terminated)
        expected = {
            CALL: "<result>2</result>",
            "no answer": "",
        }.get(action, TOLD.format("Wrong. Try again."))
        assert observation == expected
    assert texts[1] == prompt  # it still waits


def test_the_end_of_a_message_is_there_once_whoever_wrote_it(tiny_model):
    torch = pytest.importorskip("torch")
    from edgewise.agents.policies.options import Sampling
    from edgewise.agents.policies.policy import append
    from edgewise.agents.policies.transformers import TransformersPolicy

    policy = TransformersPolicy.load(tiny_model)
    end = policy.tokenizer.convert_tokens_to_ids("<|im_end|>")
    policy.ends = torch.tensor([end])
    start = policy.start(["hm"] * 3, Sampling())
    said = torch.tensor([[70, end, 0], [70, 71, 72], [70, 71, end]])
    start = append(start, said, torch.tensor([[1, 1, 0], [1, 1, 1], [1, 1, 1]]))
    told = Frame(chat=True).further("Wrong.", policy.render)
    assert told == TOLD.format("Wrong.")
    observed, rows = policy.observe(start, [told, told, ""])
    assert rows.tolist() == [0, 1]
    counts = ((observed.tokens == end) & observed.attention.bool()).sum(dim=1)
    assert counts.tolist() == [2, 2, 1]  # that of the completion, and of the user's message
