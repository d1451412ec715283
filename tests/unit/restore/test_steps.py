"""What single steps do beyond what every restore shows: on another disk, onto other paths, with what is not usual."""

from __future__ import annotations

import pytest
from attrs import evolve

from hermes_backup_core.domain.errors import CommandFailed
from hermes_backup_core.domain.host import STOP_SECONDS, Dependency, Kind, Mount
from hermes_backup_core.domain.restore_plan import RestoreRequest
from hermes_backup_core.domain.restore_record import RestoreRecord
from hermes_backup_core.domain.restore_steps import AwaitStack, DirectoryPlan, LoadDirectory, SwapTier, UnpackTier
from hermes_backup_core.domain.scope import Scope, Tier
from hermes_backup_core.restore.errors import NotCleanedUp, UndoFailed
from hermes_backup_core.restore.ledger import Ledger
from hermes_backup_core.restore.steps import Steps
from hermes_backup_core.services.accounts import AccountsNotMade
from tests.unit.fakes.directory import MemoryLoader
from tests.unit.fakes.host import ROOT, MemoryHost
from tests.unit.fakes.schemas import MemoryAccounts
from tests.unit.fakes.trees import move
from tests.unit.fakes.wiring import LDAP_FILE, SLAPD_CONFIG
from tests.unit.restore.restores import RESTORE, Case, case_of


def apart(path: str) -> RestoreRequest:
    return RestoreRequest(path, stage_dir="/spare")


def with_spare_disk(host: MemoryHost) -> None:
    host.add_folder("/spare")
    host.devices["/spare"] = 8
    host.shapes["/spare"] = "0:0 0755"


def steps_of(case: Case) -> Steps:
    job = case.job()
    assert case.prospect.plan is not None
    record = RestoreRecord(RESTORE.pid, RESTORE.command, RESTORE.since, case.prospect.plan)
    return Steps(Ledger(record, job.journal), job.host, job.folders, job.databases, job.loader, job.files, job.reporter)


# On another disk


def test_a_tier_that_is_staged_on_another_disk_is_brought_in_line_by_copying() -> None:
    case = case_of(Scope.VMAIL, last=with_spare_disk, request=apart)
    case.begin()
    case.carry_out()
    differences = [line for line in case.host.state().differences(case.original) if "/mnt/vmail" in line.split(":")[0]]
    assert differences == []
    assert (case.host.state().leftovers, case.host.violations) == ((), [])
    assert "copying the vmail tier: 0 of None" in case.host.lines("progress")


def test_a_copy_that_breaks_off_is_told_and_can_be_finished() -> None:
    """The way back cannot bring back what was copied over: it says so, and starts the stack on what there is."""
    case = case_of(Scope.VMAIL, last=with_spare_disk, request=apart)
    case.begin()
    case.carry_out()
    after = case.host.state()
    states = [killed for killed in case.watched(case.carry_out) if "target.sync" in killed.where]
    case.begin(states[1].state)
    case.finish()
    assert case.wrong(after) == []
    case.begin(states[1].state)
    case.undo()
    assert "was brought in line by copying, which cannot be undone" in case.host.lines("warn")[-1]
    assert (case.host.state().leftovers, case.host.running()) == ((), case.before.running)
    assert "was staged on another disk" in " ".join(steps_of(case).whereabouts())


def test_an_undo_that_fails_tells_of_the_tier_that_was_copied() -> None:
    case = case_of(Scope.VMAIL, last=with_spare_disk, request=apart)
    case.begin()
    case.host.sync_trouble = "rsync: no"
    case.host.boxes["hermes_dovecot"].start = "refuses"
    error = case.outcome(case.carry_out)
    assert isinstance(error, UndoFailed)
    assert [place.partition(" at ")[0] for place in error.places] == ["the vmail tier"]


# Onto other paths


def with_other_paths(host: MemoryHost) -> None:
    """The mail lies elsewhere on this host."""
    move(host, "/mnt/vmail", "/mnt/post")
    host.files[f"{ROOT}/.env"] = host.files[f"{ROOT}/.env"].replace(b"/mnt/vmail", b"/mnt/post")
    host.devices["/mnt/post"] = host.devices.pop("/mnt/vmail")
    host.volumes["vmail"] = "/mnt/post"
    host.mounts = tuple(
        Mount(mount.service, Kind.VOLUME, "/mnt/post", mount.target) if mount.source == "/mnt/vmail" else mount
        for mount in host.mounts
    )


def test_this_hosts_paths_stay_in_the_restored_env_where_the_operator_says_so() -> None:
    case = case_of(Scope.ALL, last=with_other_paths, request=lambda path: RestoreRequest(path, force_remap=True))
    case.begin()
    case.carry_out()
    env = case.host.files[f"{ROOT}/.env"]
    assert env == case.original.files[f"{ROOT}/.env"].replace(b"/mnt/vmail", b"/mnt/post")
    assert case.host.files["/mnt/post/example.com/bob/cur/2"] == b"more mail"
    assert (case.host.state().leftovers, case.host.violations) == ((), [])


# The directory


@pytest.fixture(scope="module")
def system() -> Case:
    return case_of(Scope.SYSTEM)


@pytest.fixture
def case(system: Case) -> Case:
    system.begin()
    return system


class Configured(MemoryLoader):
    """Keeps which configuration slapd was to have."""

    config = ""

    def load(self, plan: DirectoryPlan, config: str, chunks: object) -> int:
        type(self).config = config
        return 0


@pytest.mark.parametrize(
    ("config", "staged", "expected"),
    [
        (SLAPD_CONFIG, True, f"{ROOT}/.hermes-restore-config/new/config/ldap/etc/ldap/slapd.d"),
        (SLAPD_CONFIG, False, SLAPD_CONFIG),
        ("/srv/slapd.d", True, "/srv/slapd.d"),
    ],
    ids=["the staged one", "not in the backup", "not in the install root"],
)
def test_the_directory_is_loaded_with_the_configuration_that_will_be_in_force(
    case: Case, config: str, staged: bool, expected: str
) -> None:
    steps = steps_of(case)
    steps.loader = Configured(case.host)
    if staged:
        case.host.add_folder(f"{ROOT}/.hermes-restore-config/new/config/ldap/etc/ldap/slapd.d")
    assert steps.plan.directory
    steps.do(LoadDirectory(evolve(steps.plan.directory, config=config)))
    assert Configured.config == expected


@pytest.mark.parametrize(("kept", "shape"), [(True, "101:102 0600"), (False, "101:102 0750")])
def test_slapds_files_get_the_owner_of_those_that_are_there_or_of_their_folder(
    case: Case, kept: bool, shape: str
) -> None:
    case.host.shapes["/mnt/data/ldap/data"] = "101:102 0750"
    if not kept:
        del case.host.files[LDAP_FILE]
    steps = steps_of(case)
    assert steps.plan.directory
    steps.do(LoadDirectory(evolve(steps.plan.directory, config=SLAPD_CONFIG)))
    assert case.host.shapes["/mnt/data/ldap/data/.hermes-restore-ldap/new/data.mdb"] == shape


# What goes on

FLUSH = ("hermes_postfix_dkim", ("postqueue", "-f"))


def flushed(case: Case) -> bool:
    return FLUSH in [executed[:2] for executed in case.host.executed]


def test_only_what_a_tier_is_mounted_in_is_stopped_and_mail_that_waited_is_delivered() -> None:
    case = case_of(Scope.VMAIL)
    case.begin()
    assert case.prospect.plan
    assert case.prospect.plan.stopping == ("hermes_dovecot",)
    since = {name: box.since for name, box in case.host.boxes.items()}
    case.carry_out()
    assert {name for name, box in case.host.boxes.items() if box.since != since[name]} == {"hermes_dovecot"}
    assert case.host.violations == []
    assert flushed(case)


def test_mail_that_cannot_be_delivered_at_once_is_a_warning() -> None:
    case = case_of(Scope.VMAIL)
    case.begin()
    case.host.mail_trouble = "mail system is down"
    case.carry_out()
    assert "delivered at its next queue run" in case.host.lines("warn")[-1]


def test_nothing_goes_on_where_the_operator_wants_all_to_stop() -> None:
    case = case_of(Scope.VMAIL, request=lambda path: RestoreRequest(path, stop_all=True))
    case.begin()
    case.carry_out()
    assert case.prospect.plan
    assert case.prospect.plan.stopping == tuple(sorted(case.host.boxes))
    assert case.host.may_run == frozenset()
    assert not flushed(case)


def test_a_container_that_was_stopped_before_is_not_started_and_one_that_came_up_is_stopped() -> None:
    def stopped(host: MemoryHost) -> None:
        host.boxes["hermes_dovecot"].state = "exited"

    case = case_of(Scope.VMAIL, last=stopped)
    case.begin()
    case.carry_out()
    assert "hermes_dovecot" not in case.host.running()
    assert not flushed(case)
    case.begin()
    case.host.boxes["hermes_dovecot"].state = "running"
    case.carry_out()
    assert case.host.violations == []


@pytest.mark.parametrize("way", ["undo", "finish"])
def test_what_went_on_and_went_down_with_the_power_is_started_as_well(way: str) -> None:
    case = case_of(Scope.VMAIL)
    states = [killed for killed in case.watched(case.carry_out) if "trees.rename" in killed.where]
    case.begin(states[1].state)
    for box in case.host.boxes.values():
        box.state = "exited"
    getattr(case, way)()
    assert case.host.running() == case.before.running
    assert case.host.state().leftovers == ()


def test_with_the_config_tier_only_what_was_stopped_is_made_anew(case: Case) -> None:
    case.carry_out()
    assert case.host.may_run == {"hermes_postfix_dkim"}
    assert case.host.created == [tuple(sorted(case.host.boxes.keys() - case.host.may_run))]
    assert case.host.violations == []


# The rest


def test_what_is_staged_already_is_not_staged_anew(case: Case) -> None:
    steps = steps_of(case)
    step = next(step for step in steps.plan.steps if "load database" in str(step))
    with pytest.raises(ValueError, match="staged already"):
        steps.do(step)


def test_steps_that_change_nothing_of_their_own_are_taken_back_by_doing_nothing(case: Case) -> None:
    before = list(case.host.calls)
    steps_of(case).undo(AwaitStack((), end_maintenance=False))
    assert case.host.calls == before


def test_a_tier_that_was_never_exchanged_is_taken_back_by_doing_nothing(case: Case) -> None:
    steps = steps_of(case)
    before = case.host.state()
    for tier in steps.plan.tiers:
        steps.undo(SwapTier(tier))
    assert case.host.running() == case.host.may_run
    assert [line for line in case.host.state().differences(before) if not line.startswith("running")] == []


def test_unpacking_begins_anew_whatever_lies_in_the_stage(case: Case) -> None:
    steps = steps_of(case)
    config = steps.plan.tiers[0]
    assert config.tier is Tier.CONFIG
    case.host.add(f"{config.stages[0].folder}/new/half/way", b"x")
    steps.do(UnpackTier(config))
    assert f"{config.stages[0].folder}/new/half/way" not in case.host.files
    assert f"{config.stages[0].folder}/new/.env" in case.host.files


@pytest.mark.parametrize("on", [True, False])
def test_nextcloud_stays_in_maintenance_only_where_it_was_before(on: bool) -> None:
    def change(host: MemoryHost) -> None:
        host.maintenance = on

    case = case_of(Scope.ALL, last=change)
    case.begin()
    case.carry_out()
    assert case.host.maintenance is on
    assert ("php" in " ".join(case.host.calls)) is not on


def test_what_a_user_would_find_out_later_is_remarked(case: Case) -> None:
    class Refusing(MemoryAccounts):
        def apply(self, sql: bytes) -> None:
            raise AccountsNotMade(("the account gone is not made",))

    case.host.database.missing_definers = ("view v of hermes runs as gone, who is not there",)
    job = case.job()
    job = evolve(job, databases=evolve(job.databases, accounts=Refusing(case.host)))
    result = job.carry_out(case.prospect, RESTORE, case.host.shield)
    case.host.database.missing_definers = ()
    assert result.remarks == ("the account gone is not made", "view v of hermes runs as gone, who is not there")


def test_every_account_that_was_changed_is_told(case: Case) -> None:
    case.carry_out()
    told = [line for line in case.host.lines("info") if line.startswith("the database account")]
    assert "the database account root now has the password of the credential files" in told


def test_compose_makes_the_containers_anew_also_on_the_way_back(case: Case) -> None:
    """Where the containers were made by the backup's Compose file, the old one makes them once more."""
    case.host.create_trouble = ""
    error = case.outcome(
        case.carry_out,
        lambda moment, number, call: (
            (_ for _ in ()).throw(CommandFailed(("docker",), 1, "no"))
            if (moment, call) == ("after", "stack.create") and len(case.host.created) == 1
            else None
        ),
    )
    assert isinstance(error, CommandFailed)
    assert len(case.host.created) == 2
    assert case.wrong(case.before) == []


def broken_off_when_all_is_down(case: Case, *, boots_for: float) -> BaseException | None:
    """What a restore raises that fails before anything is exchanged, where the database then takes its time."""

    def hook(moment: str, number: int, call: str) -> None:
        if (moment, call) == ("before", "stack.start"):
            case.host.hook, case.host.database.boots_for = None, boots_for
            raise CommandFailed(("docker", "start"), 1, "no")

    error = case.outcome(case.carry_out, hook)
    case.host.database.boots_for = 0.0
    return error


def test_a_database_that_was_just_started_gets_time_before_what_was_loaded_is_taken_out(case: Case) -> None:
    error = broken_off_when_all_is_down(case, boots_for=30.0)
    assert isinstance(error, CommandFailed)
    assert case.wrong(case.before) == []


def test_a_database_that_never_answers_is_waited_for_once(case: Case) -> None:
    began = case.host.now
    error = broken_off_when_all_is_down(case, boots_for=1e6)
    assert isinstance(error, NotCleanedUp)
    assert case.host.now - began < 2 * STOP_SECONDS
    case.undo()
    assert case.wrong(case.before) == []


def test_dependents_are_stopped_first_and_started_last(case: Case) -> None:
    assert case.host.depends["hermes_nextcloud"] == (Dependency("hermes_db_server"),)
    case.carry_out()
    stopped = [text for text in case.host.lines("info") if text.startswith("stopping")]
    assert "hermes_db_server" in stopped[0]
    assert stopped[1:] == ["stopping hermes_db_server"]
