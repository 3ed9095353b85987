"""The devstack plugin, told what devstack tells it: which commands come of each phase."""

import subprocess
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[3] / "packaging/devstack"
FUNCTIONS = "iniset setup_develop install_package run_process stop_process disable_service enable_service sudo python3"
DEVSTACK = r"""
set -eu
for name in {functions}; do eval "function $name {{ echo $name \"\$@\"; }}"; done
function is_service_enabled {{ for each; do [[ " {services} " == *" $each "* ]] && return; done; return 1; }}
DATA_DIR={data} DEST=/opt/stack HOST_IP=192.0.2.10 SERVICE_HOST=192.0.2.10 LOCAL_HOSTNAME=node1
NEUTRON_CONF=neutron.conf NEUTRON_BIN_DIR=/bin
{extra}
source {plugin}/override-defaults >/dev/null
# As lib/neutron and what it sources have them.
Q_AGENT=${{Q_AGENT:-ovn}}
Q_ML2_PLUGIN_MECHANISM_DRIVERS=${{Q_ML2_PLUGIN_MECHANISM_DRIVERS:-ovn}}
Q_ML2_TENANT_NETWORK_TYPE=${{Q_ML2_TENANT_NETWORK_TYPE:-geneve}}
ML2_L3_PLUGIN=${{ML2_L3_PLUGIN-router}}
source {plugin}/settings >/dev/null
set -- {phase}
source {plugin}/plugin.sh
"""
ALL = "neutron-api daybreak-controller daybreak-journal daybreak-compute"


def commands(data: Path, phase: str, services: str = ALL, extra: str = "") -> list[str]:
    """What is called in a phase."""
    pip = data / "daybreak/venv/bin"
    pip.mkdir(parents=True, exist_ok=True)
    for name, says in (("pip", 'echo pip "$@"'), ("daybreak", 'test "$1" = hash-password && echo "a-hash"')):
        (pip / name).write_text(f"#!/bin/sh\n{says}\n")
        (pip / name).chmod(0o755)
    return run(DEVSTACK, data, phase, services, extra)


def run(script: str, data: Path, phase: str, services: str = ALL, extra: str = "") -> list[str]:
    """What a script prints that begins as devstack does."""
    script = script.format(functions=FUNCTIONS, services=services, plugin=PLUGIN, phase=phase, extra=extra, data=data)
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
        "run_process daybreak-controller DATA/daybreak/venv/bin/daybreak serve --config DATA/daybreak/daybreak.toml",
        "sudo ovs-vsctl set Open_vSwitch . external_ids:hostname=node1 other_config:local_ip=192.0.2.10",
        "sudo ovs-vsctl set-manager tcp:192.0.2.10:6640",
    ]
    assert 'password_hash = "a-hash"' in (tmp_path / "daybreak/daybreak.toml").read_text()
    assert commands(tmp_path, "stack extra") == [
        "run_process daybreak-journal /bin/neutron-daybreak-journal --config-file neutron.conf"
    ]
    assert commands(tmp_path, "unstack") == ["stop_process daybreak-journal", "stop_process daybreak-controller"]


@pytest.mark.parametrize(("l3", "plugin"), [("plugin", "daybreak-router"), ("provider", "router")])
def test_devstack_configures_neutron_for_daybreak(tmp_path: Path, l3: str, plugin: str) -> None:
    """Its own defaults, those for OVN, count where nobody has set a variable before."""
    script = DEVSTACK + 'echo "$Q_AGENT $Q_ML2_PLUGIN_MECHANISM_DRIVERS $Q_ML2_TENANT_NETWORK_TYPE $ML2_L3_PLUGIN"'
    assert run(script, tmp_path, "none", extra=f"DAYBREAK_L3={l3}") == [f"daybreak daybreak vxlan {plugin}"]
    provider = any(
        "service_provider" in line for line in commands(tmp_path, "stack post-config", ALL, f"DAYBREAK_L3={l3}")
    )
    assert provider == (l3 == "provider")


def test_a_compute_node(tmp_path: Path) -> None:
    there = "DAYBREAK_OVSDB_HOST=192.0.2.99 DAYBREAK_BRIDGE_MAPPINGS=physnet1:br-ex"
    assert commands(tmp_path, "stack post-config", "daybreak-compute", there) == [
        "sudo ovs-vsctl set Open_vSwitch . external_ids:hostname=node1 other_config:local_ip=192.0.2.10",
        'sudo ovs-vsctl set Open_vSwitch . other_config:provider_mappings="physnet1:br-ex"',
        "sudo ovs-vsctl set-manager tcp:192.0.2.99:6640",
    ]
    assert commands(tmp_path, "stack extra", "daybreak-compute") == []
