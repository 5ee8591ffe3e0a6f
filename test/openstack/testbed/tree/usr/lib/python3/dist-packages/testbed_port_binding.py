"""A mechanism driver for neutron that needs no agent: every port is bound at once, on every host, to one Linux bridge."""
# For its effect: neutron 2025.1 cannot list ports (Port has no port_forwardings) until this model is loaded and mapped.
from neutron.db.models import port_forwarding  # noqa: F401
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings as pb
from neutron_lib.plugins.ml2 import api
from sqlalchemy import orm

BRIDGE = 'br-testbed'


class Driver(api.MechanismDriver):
    def initialize(self):
        orm.configure_mappers()

    @property
    def connectivity(self):
        return pb.CONNECTIVITY_L2

    def bind_port(self, context):
        details = {pb.CAP_PORT_FILTER: False, 'bridge_name': BRIDGE, pb.VIF_DETAILS_CONNECTIVITY: pb.CONNECTIVITY_L2}
        segment = context.segments_to_bind[0]
        context.set_binding(segment[api.ID], pb.VIF_TYPE_BRIDGE, details, status=constants.PORT_STATUS_ACTIVE)
