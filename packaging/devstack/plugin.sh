#!/usr/bin/env bash
# A devstack plugin: enable_plugin daybreak REPOSITORY. Devstack sources it with a mode and a phase, and brings iniset,
# pip_install, run_process and the like (https://docs.openstack.org/devstack/latest/plugins.html).

function daybreak_url {
    echo "${DAYBREAK_URL:-http://$SERVICE_HOST:8181}"
}

function install_daybreak {
    # What belongs to Neutron goes where Neutron is, under its constraints; the controller has an environment of its own.
    if is_service_enabled daybreak-journal q-svc neutron-api; then
        setup_develop "$DAYBREAK_DIR/neutron"
    fi
    if is_service_enabled daybreak-controller; then
        python3 -m venv "$DAYBREAK_DATA/venv"
        "$DAYBREAK_DATA/venv/bin/pip" install -c "$DAYBREAK_DIR/constraints.txt" "$DAYBREAK_DIR/controller"
    fi
    if is_service_enabled daybreak-compute; then
        install_package openvswitch-switch
    fi
}

function configure_daybreak_neutron {
    iniset "$NEUTRON_CONF" daybreak url "$(daybreak_url)"
    iniset "$NEUTRON_CONF" daybreak username "$DAYBREAK_USERNAME"
    iniset "$NEUTRON_CONF" daybreak password "$DAYBREAK_PASSWORD"
    iniset "$NEUTRON_CONF" DEFAULT enable_traditional_dhcp False
    if [ "$DAYBREAK_L3" = provider ]; then
        iniset "$NEUTRON_CONF" service_providers service_provider \
            "L3_ROUTER_NAT:daybreak:networking_daybreak.l3.flavor.DaybreakL3ServiceProvider:default"
    fi
}

function start_daybreak_controller {
    # It refuses to listen beyond loopback without users of its own; the password's hash goes into a file of its own.
    local hash
    hash=$("$DAYBREAK_DATA/venv/bin/daybreak" hash-password --password "$DAYBREAK_PASSWORD")
    cat >"$DAYBREAK_DATA/daybreak.toml" <<TOML
data = "$DAYBREAK_DATA/store"
northbound = "$SERVICE_HOST:8181"
ovsdb = ["ptcp:6640:$SERVICE_HOST"]
openflow = ["ptcp:6653:$SERVICE_HOST"]
allow_plaintext = ["127.0.0.0/8", "$DAYBREAK_PEERS"]

[[users]]
name = "$DAYBREAK_USERNAME"
password_hash = "$hash"
TOML
    chmod 600 "$DAYBREAK_DATA/daybreak.toml"
    run_process daybreak-controller "$DAYBREAK_DATA/venv/bin/daybreak serve --config $DAYBREAK_DATA/daybreak.toml"
}

function configure_daybreak_compute {
    sudo ovs-vsctl set Open_vSwitch . "external_ids:hostname=$LOCAL_HOSTNAME" "other_config:local_ip=$HOST_IP"
    if [ -n "$DAYBREAK_BRIDGE_MAPPINGS" ]; then
        sudo ovs-vsctl set Open_vSwitch . "other_config:provider_mappings=\"$DAYBREAK_BRIDGE_MAPPINGS\""
    fi
    sudo ovs-vsctl set-manager "tcp:${DAYBREAK_OVSDB_HOST:-$SERVICE_HOST}:6640"
}

case "$1 ${2:-}" in
"stack install")
    install_daybreak
    ;;
"stack post-config")
    if is_service_enabled q-svc neutron-api; then
        configure_daybreak_neutron
    fi
    if is_service_enabled daybreak-controller; then
        start_daybreak_controller
    fi
    if is_service_enabled daybreak-compute; then
        configure_daybreak_compute
    fi
    ;;
"stack extra")
    if is_service_enabled daybreak-journal; then
        run_process daybreak-journal "$NEUTRON_BIN_DIR/neutron-daybreak-journal --config-file $NEUTRON_CONF"
    fi
    ;;
"unstack "*)
    stop_process daybreak-journal
    stop_process daybreak-controller
    ;;
"clean "*)
    sudo ovs-vsctl --if-exists del-br br-int
    sudo ovs-vsctl del-manager
    rm -rf "$DAYBREAK_DATA"
    ;;
esac
