"""Answers told in advance."""

from collections import deque

from gatewayproject.demo.answers import Answer


class Script:
    """What to answer next: to a model or a path by name, or else to whatever comes."""

    def __init__(self) -> None:
        self.queue: deque[Answer] = deque()
        self.named: dict[str, tuple[deque[Answer], bool]] = {}

    def for_anything(self, *answers: Answer) -> None:
        self.queue.extend(answers)

    def for_name(self, name: str, *answers: Answer, forever: bool) -> None:
        self.named[name] = deque(answers), forever

    def answer_to(self, model: str, path: str) -> Answer | None:
        for name, (answers, forever) in self.named.items():
            if answers and (name == model or name in path):
                if forever:
                    answers.rotate(-1)
                    return answers[-1]
                return answers.popleft()
        return self.queue.popleft() if self.queue else None
