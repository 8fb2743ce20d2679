"""The bill of materials: every package of the lock, as CycloneDX JSON that other tools read.

Owns how a pin becomes a component. The same lock gives the same bytes, but for the time. Never asks a registry.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from engine import __version__
from tests.supply.lock import Pin

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

_SPACE: Final = UUID("5f0f0c2e-3f0b-5a57-9d53-0f6a2c1b7e11")


def sbom(locked: Iterable[Pin]) -> str:
    """Give the bill of materials of the locked packages; where a package goes by a marker, that is noted."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    components = [_component(pin) for pin in locked]
    own = Component(name="krypto-engine", version=__version__, type=ComponentType.APPLICATION, bom_ref="krypto-engine")
    names = " ".join(sorted(str(component.purl) for component in components))
    bom = Bom(components=components, metadata=BomMetaData(component=own), serial_number=uuid5(_SPACE, names))
    bom.register_dependency(own, components)
    return JsonV1Dot6(bom).output_as_string(indent=1) + "\n"


def _component(pin: Pin) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL("pypi", None, pin.name.lower().replace("_", "-"), pin.version)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.hashes],
        properties=[Property(name="krypto-engine:marker", value=pin.marker)] if pin.marker else [],
    )
