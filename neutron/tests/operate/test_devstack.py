"""The devstack plugin, told what devstack tells it: which commands come of each phase."""

import subprocess
from pathlib import Path

PLUGIN = Path(__file__).parents[3] / "packaging/devstack"
FUNCTIONS = (
    "iniset setup_develop install_package run_process stop_process disable_service enable_service"
    " neutron_service_plugin_class_add sudo python3"
)
DEVSTACK = r"""
set -eu
for name in {functions}; do eval "function $name {{ echo $name \"\$@\"; }}"; done
function is_service_enabled {{ for each; do [[ " {services} " == *" $each "* ]] && return; done; return 1; }}
DATA_DIR={data} DEST=/opt/stack HOST_IP=192.0.2.10 SERVICE_HOST=192.0.2.10 LOCAL_HOSTNAME=node1
NEUTRON_CONF=neutron.conf NEUTRON_BIN_DIR=/bin
source {plugin}/settings >/dev/null
{extra}
set -- {phase}
source {plugin}/plugin.sh
"""
ALL = "neutron-api daybreak-controller daybreak-journal daybreak-compute"


def commands(data: Path, phase: str, services: str = ALL, extra: str = "") -> list[str]:
    """What is called in a phase."""
    script = DEVSTACK.format(functions=FUNCTIONS, services=services, plugin=PLUGIN, phase=phase, extra=extra, data=data)
    pip = data / "daybreak/venv/bin"
    pip.mkdir(parents=True, exist_ok=True)
    for name, says in (("pip", 'echo pip "$@"'), ("daybreak", 'test "$1" = hash-password && echo "a-hash"')):
        (pip / name).write_text(f"#!/bin/sh\n{says}\n")
        (pip / name).chmod(0o755)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(str(data), "DATA").splitlines()


def test_a_machine_with_everything(tmp_path: Path) -> None:
    assert commands(tmp_path, "stack install") == [
        "setup_develop /opt/stack/daybreak/neutron",
        "python3 -m venv DATA/daybreak/venv",
        "pip install -c /opt/stack/daybreak/constraints.txt /opt/stack/daybreak/controller",
        "install_package openvswitch-switch",
    ]
    assert commands(tmp_path, "stack post-config") == [
        "iniset neutron.conf daybreak url http://192.0.2.10:8181",
        "iniset neutron.conf daybreak username admin",
        "iniset neutron.conf daybreak password admin",
        "iniset neutron.conf DEFAULT enable_traditional_dhcp False",
        "neutron_service_plugin_class_add daybreak-router",
        "run_process daybreak-controller DATA/daybreak/venv/bin/daybreak serve --config DATA/daybreak/daybreak.toml",
        "sudo ovs-vsctl set Open_vSwitch . external_ids:hostname=node1 other_config:local_ip=192.0.2.10",
        "sudo ovs-vsctl set-manager tcp:192.0.2.10:6640",
    ]
    assert 'password_hash = "a-hash"' in (tmp_path / "daybreak/daybreak.toml").read_text()
    assert commands(tmp_path, "stack extra") == [
        "run_process daybreak-journal /bin/neutron-daybreak-journal --config-file neutron.conf"
    ]
    assert commands(tmp_path, "unstack") == ["stop_process daybreak-journal", "stop_process daybreak-controller"]


def test_a_compute_node(tmp_path: Path) -> None:
    there = "DAYBREAK_OVSDB_HOST=192.0.2.99 DAYBREAK_BRIDGE_MAPPINGS=physnet1:br-ex"
    assert commands(tmp_path, "stack post-config", "daybreak-compute", there) == [
        "sudo ovs-vsctl set Open_vSwitch . external_ids:hostname=node1 other_config:local_ip=192.0.2.10",
        'sudo ovs-vsctl set Open_vSwitch . other_config:provider_mappings="physnet1:br-ex"',
        "sudo ovs-vsctl set-manager tcp:192.0.2.99:6640",
    ]
    assert commands(tmp_path, "stack extra", "daybreak-compute") == []
