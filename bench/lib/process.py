"""Processes of the benchmarks: started pinned, measured by the kernel's accounting, ended at the end."""
import os, signal, socket, subprocess, time

started = []


def start(cmd, out, cpus=None, env=None):
    """A child with its output in the file `out`, on the cores `cpus` ("0", "0,1"; None: any)."""
    if cpus is not None:
        cmd = ["taskset", "-c", cpus] + cmd
    with open(out, "wb") as log:
        p = subprocess.Popen(cmd, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    started.append(p)
    return p


def stop(p):
    if p.poll() is None:
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(15)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def stop_all():
    for p in started:
        stop(p)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, p, secs=20):
    end = time.time() + secs
    while time.time() < end and p.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return
        except OSError:
            time.sleep(0.002)
    raise SystemExit(f"{p.args} does not listen on {port}")


def family(pid):
    """The process and its children, whose CPU and memory count as one."""
    out = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            for c in f.read().split():
                out += family(int(c))
    except OSError:
        pass
    return out


def cpu_seconds(pids):
    """What all threads ran, by schedstat."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass
    return total / 1e9


def memory_mb(pids, what="VmHWM"):
    """VmHWM: the peak; VmRSS: now."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith(what + ":"))
    return total / 1024
