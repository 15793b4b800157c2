"""What /proc says of a server's processes: CPU in nanoseconds, resident memory, children."""
import os, pathlib, socket, time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"gave up waiting for {what}")
        time.sleep(0.02)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def cpu_of(pids):
    """CPU seconds of all threads alive: schedstat counts nanoseconds where stat counts ticks."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                pass
    return total / 1e9


def rss_of(pids):
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
            total += int(fields[1]) - int(fields[2])  # without shared pages: nginx maps its shared memory in every process
        except OSError:
            pass
    return total * os.sysconf("SC_PAGE_SIZE")


def shared_of(pids):
    """Shared memory counted once: the largest of the family's."""
    most = 0
    for pid in pids:
        try:
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("RssShmem"):
                    most = max(most, int(line.split()[1]) * 1024)
        except OSError:
            pass
    return most


def family(pid):
    """The process and all its descendants."""
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        try:
            todo += [int(x) for x in pathlib.Path(f"/proc/{p}/task/{p}/children").read_text().split()]
        except OSError:
            pass
    return out
