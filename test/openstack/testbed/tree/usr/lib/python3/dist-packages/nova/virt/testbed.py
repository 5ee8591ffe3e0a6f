"""nova's fake hypervisor with repairs, and with faults on demand.

Repairs: the fake driver's node has another uuid in each process, with which nova-compute refuses its second start; and it
forgets its instances at a restart.
Faults: /opt/testbed/var/faults.json, a list of rules of which the first whose "name" (a regular expression) is found in
the server's name holds: {"name", "spawn_delay": s, "spawn_fail": text, "abort": bool, "destroy_delay": s,
"destroy_fail": text}. "abort" is for a failure that nova does not try again elsewhere.
"""
import json
import re
import time
import uuid

from nova import exception
from nova.compute import power_state
from nova.virt import fake

FAULTS = '/opt/testbed/var/faults.json'


def node_id(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def fault_of(instance):
    try:
        with open(FAULTS) as file:
            rules = json.load(file)
    except FileNotFoundError:
        return {}
    return next((rule for rule in rules if re.search(rule['name'], instance.display_name or '')), {})


class Driver(fake.FakeDriver):
    def get_available_resource(self, nodename):
        return {**super().get_available_resource(nodename), 'uuid': node_id(nodename)}

    def get_nodenames_by_uuid(self, refresh=False):
        return {node_id(name): name for name in self.get_available_nodes()}

    def spawn(self, context, instance, *args, **kwargs):
        fault = fault_of(instance)
        time.sleep(fault.get('spawn_delay', 0))
        if reason := fault.get('spawn_fail'):
            if fault.get('abort'):
                raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=reason)
            raise exception.InstanceDeployFailure(reason=reason)
        return super().spawn(context, instance, *args, **kwargs)

    def destroy(self, context, instance, *args, **kwargs):
        fault = fault_of(instance)
        time.sleep(fault.get('destroy_delay', 0))
        if reason := fault.get('destroy_fail'):
            raise exception.InstanceTerminationFailure(reason=reason)
        return super().destroy(context, instance, *args, **kwargs)

    def get_info(self, instance, use_cache=True):
        if instance.uuid not in self.instances and instance.power_state == power_state.RUNNING:
            self.instances[instance.uuid] = fake.FakeInstance(instance.name, power_state.RUNNING, instance.uuid)
        return super().get_info(instance, use_cache)
