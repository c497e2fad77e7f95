"""The rows of a project's annotations, with what is counted and looked up by them.

A row is present, or past: then only versions hold it. Each lesson is kept as long as a row uses it.
"""

from dataclasses import dataclass, field, replace

import orjson

from backend.memory.annotation_lessons import AnnotationLessons, Row
from backend.memory.project_head import ProjectHead
from backend.memory.tables import ProjectTables, past_name


@dataclass
class LessonRows:
    head: ProjectHead
    tables: ProjectTables
    touched: set[str] = field(default_factory=set)  # digests of lessons whose uses have changed

    def put(self, annotation: str, row: Row) -> None:
        """Make it the annotation's present row; there must be none."""
        taught = row.taught
        self.tables.rows.set(annotation, row)
        times = self.tables.taught_us if taught.lessons else self.tables.empty_us
        times.set(annotation, taught.updated_us)
        self.head.count_present(taught)
        self._use(taught, 1)
        if annotation not in (known := self.of_task(taught.task)):
            self.tables.tasks.set(taught.task, orjson.dumps([*known, annotation]))

    def take_out(self, annotation: str, row: Row | None) -> None:
        """Remove the present row alone. `row`: None if it cannot be read."""
        self.tables.rows.set(annotation, None)
        self.tables.taught_us.set(annotation, None)
        self.tables.empty_us.set(annotation, None)
        if row is None:
            self.head.present.annotations = max(self.head.present.annotations - 1, 0)
            return
        self.head.count_present(row.taught, -1)
        self._use(row.taught, -1)

    def end(self, annotation: str, row: Row | None) -> None:
        """Remove the present row; the versions that hold it keep it."""
        self.take_out(annotation, row)
        self.tables.pending.set(annotation, b"")
        if row is None:
            return
        if row.since is not None:
            self.put_past(annotation, replace(row, until=self.head.last_number + 1))
        else:
            self._forget_task(annotation, row.taught.task)

    def put_past(self, annotation: str, row: Row) -> None:
        """Keep a row for versions alone."""
        until = row.until or self.head.last_number + 1
        name = past_name(annotation, until)
        past = replace(row, until=until, taught=replace(row.taught, agreement=None))
        self.tables.past.set(name, past)
        self.tables.past_until.set(name, until)
        self._use(row.taught, 1)
        if annotation not in (known := self.of_task(row.taught.task)):
            self.tables.tasks.set(row.taught.task, orjson.dumps([*known, annotation]))

    def drop_past(self, name: str) -> None:
        """Remove a past row that no version needs. `name`: of `past_name`."""
        row = self.tables.past.get(name)
        self.tables.past.set(name, None)
        self.tables.past_until.set(name, None)
        if row is not None:
            self._use(row.taught, -1)
            self._forget_task(name.partition(":")[2], row.taught.task)

    def erase(self, annotation: str) -> bool:
        """Remove all rows of the annotation, also from the versions; whether it had lessons."""
        found = self.all_of(annotation)
        for name, row in found.items():
            for version in self.head.versions:
                if row.is_in(version.number):
                    version.tally.add(row.taught, -1)
            if name:
                self.drop_past(name)
            else:
                self.take_out(annotation, row)
                self._forget_task(annotation, row.taught.task)
        self.tables.pending.set(annotation, None)
        return any(row.taught.lessons for row in found.values())

    def all_of(self, annotation: str) -> dict[str, Row]:
        """All rows of the annotation: the present one under "", past ones under their names."""
        untils = [version.number for version in self.head.versions[1:]]
        untils.append(self.head.last_number + 1)
        names = [past_name(annotation, until) for until in untils]
        past = zip(names, self.tables.past.get_many(names), strict=True)
        every = [("", self.tables.rows.get(annotation)), *past]
        return {name: row for name, row in every if row is not None}

    def of_task(self, task: str) -> list[str]:
        """Annotations with a row of this task."""
        try:
            found = orjson.loads(self.tables.tasks.get(task) or b"[]")
        except orjson.JSONDecodeError:
            return []
        names = found if isinstance(found, list) else []
        return [name for name in names if isinstance(name, str)]

    def unused_lessons(self) -> list[str]:
        """Digests of lessons that no row uses any more."""
        return [digest for digest in self.touched if self.tables.uses.get(digest) is None]

    def _use(self, taught: AnnotationLessons, sign: int) -> None:
        digests = [ref.digest for ref in taught.lessons]
        self.tables.uses.get_many(digests)  # in one request
        for digest in digests:
            stored = self.tables.uses.get(digest)
            # Of one that is not counted, because that was damaged, this is the only use.
            known = int(stored) if stored and stored.isdigit() else int(sign < 0)
            n = known + sign
            self.tables.uses.set(digest, b"%d" % n if n > 0 else None)
            self.touched.add(digest)

    def _forget_task(self, annotation: str, task: str) -> None:
        """Take the annotation from its task if no row is left of it."""
        if self.all_of(annotation):
            return
        if annotation in (known := self.of_task(task)):
            left = [one for one in known if one != annotation]
            self.tables.tasks.set(task, orjson.dumps(left) if left else None)
