"""A real Slurm of one node on the loopback address, from Debian's packages, in a folder of its own.

    python tests/cluster/lab.py up FOLDER     # prints what a shell needs to talk to it
    python tests/cluster/lab.py down FOLDER

No systemd, cgroups or database; nothing outside FOLDER is read or written. Memory is watched once a second: a job that
holds more than it asked for is killed.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
TOOLS = (*DAEMONS, "sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
# where Debian keeps daemons, which the PATH of a plain user may lack
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
GPUS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random")  # any character device stands in for one
PATIENCE = 30.0  # seconds for a daemon to answer


def absent():
    """Return the programs of Slurm that this machine lacks."""
    return [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]


def install():
    """Install Debian's packages of Slurm, none of whose services starts; only root of a Debian machine can."""
    policy = Path("/usr/sbin/policy-rc.d")  # what Debian asks before a package starts its service
    own = not policy.exists()
    if own:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        for words in (("update",), ("install", "--yes", "--no-install-recommends", *PACKAGES)):
            env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", "-qq", *words], check=True, env=env, stdout=subprocess.DEVNULL)
    finally:
        if own:
            policy.unlink()


def free_port():
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Lab:
    """A cluster of one node with the partitions `cpu` and `gpu`, whose GPUs are stand-ins that Slurm counts."""

    def __init__(self, folder, cpus=None, memory=8000, gpus=1):
        self.folder, self.memory, self.gpus = Path(folder).resolve(), memory, gpus
        self.cpus = cpus or os.cpu_count()
        self.conf = self.folder / "slurm.conf"

    @property
    def environment(self):
        """Return the variables with which programs of Slurm find this cluster."""
        return {"SLURM_CONF": str(self.conf), "PATH": f"{self.folder / 'bin'}{os.pathsep}{PATH}"}

    def call(self, *words, check=True):
        """Run a program of Slurm; return what it prints."""
        env = os.environ | self.environment
        done = subprocess.run(list(map(str, words)), env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 or not check, f"{words}: {done.stderr}{done.stdout}"
        return done.stdout.strip()

    def wait(self, what, ready, patience=PATIENCE):
        """Return when `ready()` holds."""
        until = time.monotonic() + patience
        while not ready():
            logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
            assert time.monotonic() < until, f"no {what} within {patience} seconds\n{logs}"
            time.sleep(0.1)

    def settings(self):
        """Return slurm.conf."""
        port, folder, user = free_port(), self.folder, subprocess.check_output(["id", "-un"], text=True).strip()
        node = f"NodeName=node NodeHostname=localhost NodeAddr=127.0.0.1 CPUs={self.cpus} RealMemory={self.memory}"
        return f"""ClusterName=lab
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={free_port()}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=2
OverTimeLimit=0
MinJobAge=3600
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
{node} Gres=gpu:{self.gpus} State=UNKNOWN
PartitionName=cpu Nodes=node Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=node Default=NO MaxTime=INFINITE State=UP
"""

    def write(self):
        """Write what the daemons read, and a key; srun gets back SLURM_CONF, which the plugin takes from it."""
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.conf.write_text(self.settings())
        gres = [f"NodeName=node Name=gpu File={device}\n" for device in GPUS[: self.gpus]]
        (self.folder / "gres.conf").write_text("".join(gres))
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.conf} exec {shutil.which("srun", path=PATH)} "$@"\n')
        srun.chmod(0o755)

    def up(self):
        """Start the daemons; return when a first job has run."""
        self.write()
        at = self.folder
        self.call(
            "munged", "--force", f"--key-file={at}/munge.key", f"--socket={at}/munge.socket",
            f"--pid-file={at}/munged.pid", f"--log-file={at}/munged.log", f"--seed-file={at}/munged.seed",
        )  # fmt: skip
        self.wait("munged", (at / "munge.socket").exists)
        self.start_controller("-c")
        self.call("slurmd", "-N", "node", "-f", self.conf)
        self.wait("node", lambda: self.call("sinfo", "-h", "-p", "cpu", "-o", "%t", check=False) == "idle")
        self.call("srun", "-n1", "true")
        return self

    def start_controller(self, *options):
        """Start slurmctld; return when it answers."""
        self.call("slurmctld", *options, "-f", self.conf)
        self.wait("slurmctld", lambda: "is UP" in self.call("scontrol", "ping", check=False))

    def stop(self, daemon):
        """End one of the daemons that `up` started, by its process id, and wait for it."""
        file = self.folder / f"{daemon}.pid"
        if not file.exists():
            return
        process = int(file.read_text())
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(process, sign)
                for _ in range(100):
                    os.kill(process, 0)
                    time.sleep(0.1)
            except ProcessLookupError:
                break
        file.unlink(missing_ok=True)

    def jobs(self, *options):
        """Return the number, state and comment of every job that Slurm has seen, or that options choose, in order."""
        lines = self.call("squeue", "--noheader", "--states=all", "--format=%i|%T|%k", *options).splitlines()
        return sorted((line.split("|", 2) for line in lines), key=lambda job: int(job[0]))

    def state(self, number):
        """Return the state of a job."""
        return next(state for job, state, _ in self.jobs() if job == number)

    def down(self):
        """Cancel every job, end the daemons, remove the folder."""
        if not self.conf.exists():
            return
        if (self.folder / "slurmctld.pid").exists():
            self.call("scancel", "--full", *(number for number, *_ in self.jobs("--states=PD,R,CG")), check=False)
            until = time.monotonic() + 10
            while self.call("squeue", "--noheader", check=False) and time.monotonic() < until:
                time.sleep(0.2)
        for daemon in reversed(DAEMONS):
            self.stop(daemon)
        shutil.rmtree(self.folder)


if __name__ == "__main__":
    order, folder = sys.argv[1:]
    if order == "up":
        if absent():
            install()
        variables = Lab(folder).up().environment
        print(f"export {shlex.join(f'{name}={value}' for name, value in variables.items())}")
    elif order == "down":
        Lab(folder).down()
