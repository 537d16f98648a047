"""The core among disturbances, behind a gateway: shares, answers of the gateway, and what pods count, in any order."""

from hypothesis import settings

from tests.core.cluster.machine import SETTINGS
from tests.core.cluster.machines import LitteredRoutes
from tests.core.cluster.routed import Routed

TestRouted = Routed.TestCase
TestRouted.settings = SETTINGS

TestLitteredRoutes = LitteredRoutes.TestCase
TestLitteredRoutes.settings = settings(SETTINGS, max_examples=max(10, SETTINGS.max_examples // 3))
