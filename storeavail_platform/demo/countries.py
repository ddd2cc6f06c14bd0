"""The simulated countries as data: cities, brands, streets, and who causes the trouble in each.

How stores are made of them is `stores.py`. Brands are invented. At any hour of the day one of the
countries is in business: India from 04:00 to 17:00 UTC, Brazil from 12:00 into its night.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import NAMESPACE_DNS, uuid5


@dataclass(frozen=True)
class City:
    """A city, its share of the country's stores (relative), and its zone where that is not the
    country's.
    """

    name: str
    weight: int
    timezone: str | None = None


@dataclass(frozen=True)
class DemoCountry:
    """A simulated country.

    Attributes:
        stores: how many good stores it has; dirty rows come on top.
        first_id: of its stores where their ids are whole numbers; None: they are UUIDs.
        brands: name and share (relative).
        street: an address of `{street}` and `{number}`.
        down_brand: the brand that goes down for an hour of every four.
        down_from: in which of these sixteen windows that begins, so that countries do not fail
            together.
        weak_city: a city with a bad network, where some of the open stores are always offline.
        has_status: whether its index says by a status in an object whether a store is online.
    """

    code: str
    name: str
    timezone: str
    stores: int
    first_id: int | None
    cities: tuple[City, ...]
    brands: tuple[tuple[str, int], ...]
    districts: tuple[str, ...]
    streets: tuple[str, ...]
    street: str
    down_brand: str | None = None
    down_from: int = 0
    weak_city: str | None = None
    has_status: bool = False

    def store_id(self, number: int) -> int | str:
        """The id of a store by its place, from 0; beyond `stores` nobody's."""
        if self.first_id is not None:
            return self.first_id + number
        return str(uuid5(NAMESPACE_DNS, f"{number}.{self.code.lower()}.stores.example"))

    @property
    def id_type(self) -> str:
        """PostgreSQL's type of the ids."""
        return "uuid" if self.first_id is None else "bigint"

    @property
    def database(self) -> str:
        return f"stores_{self.code.lower()}"

    @property
    def role(self) -> str:
        """The role that the platform connects as; it can only read this country's database."""
        return f"reader_{self.code.lower()}"

    @property
    def analyst_role(self) -> str:
        """The role of the analysts, who can only read it too."""
        return f"analyst_{self.code.lower()}"


BRAZIL = DemoCountry(
    code="BR",
    name="Brazil",
    timezone="America/Sao_Paulo",
    stores=12_000,
    first_id=100_001,
    cities=(
        City("São Paulo", 30),
        City("Rio de Janeiro", 17),
        City("Belo Horizonte", 9),
        City("Brasília", 8),
        City("Curitiba", 7),
        City("Porto Alegre", 6),
        City("Salvador", 7, "America/Bahia"),
        City("Recife", 6, "America/Recife"),
        City("Fortaleza", 6, "America/Fortaleza"),
        City("Manaus", 4, "America/Manaus"),
        City("Cuiabá", 3, "America/Cuiaba"),
        City("Rio Branco", 1, "America/Rio_Branco"),
    ),
    brands=(
        ("Galeto Dourado", 15),
        ("Pão & Brasa", 13),
        ("Pizzaria Bella Massa", 12),
        ("Sabor Mineiro", 11),
        ("Burger do Zé", 11),
        ("Açaí da Praia", 10),
        ("Tapioca & Cia", 8),
        ("Sushi Ipê", 7),
        ("Cantina da Nonna Rosa", 7),
        ("Empório Verde", 6),
    ),
    districts=(
        "Centro",
        "Jardim América",
        "Vila Nova",
        "Boa Vista",
        "Santa Cecília",
        "Bela Vista",
        "Praia",
        "Estação",
        "Liberdade",
    ),
    streets=(
        "Rua das Flores",
        "Avenida Brasil",
        "Rua Sete de Setembro",
        "Avenida Paulista",
        "Rua XV de Novembro",
        "Rua da Praia",
    ),
    street="{street}, {number}",
    down_brand="Galeto Dourado",
    down_from=9,
)
CHILE = DemoCountry(
    code="CL",
    name="Chile",
    timezone="America/Santiago",
    stores=3_000,
    has_status=True,
    first_id=400_001,
    cities=(
        City("Santiago", 44),
        City("Valparaíso", 13),
        City("Concepción", 12),
        City("La Serena", 8),
        City("Antofagasta", 8),
        City("Temuco", 7),
        City("Puerto Montt", 5),
        City("Punta Arenas", 3, "America/Punta_Arenas"),
    ),
    brands=(
        ("Empanadas del Cerro", 18),
        ("Sanguchería Don Lucho", 17),
        ("Parrilla Cordillera", 15),
        ("Pizza Andina", 15),
        ("Mariscos El Faro", 13),
        ("Completos Chile Lindo", 12),
        ("Verde Almacén", 10),
    ),
    districts=(
        "Centro",
        "Providencia",
        "Ñuñoa",
        "Cerro Alegre",
        "Playa Ancha",
        "Las Condes",
        "Estación Central",
        "Costanera",
    ),
    streets=(
        "Avenida Libertad",
        "Calle O'Higgins",
        "Pasaje Los Aromos",
        "Avenida Prat",
        "Calle Esmeralda",
    ),
    street="{street} {number}",
    weak_city="Valparaíso",
)
INDIA = DemoCountry(
    code="IN",
    name="India",
    timezone="Asia/Kolkata",
    stores=2_000,
    first_id=None,
    cities=(
        City("Mumbai", 26),
        City("Bengaluru", 22),
        City("Delhi", 20),
        City("Chennai", 12),
        City("Hyderabad", 11),
        City("Kochi", 9),
    ),
    brands=(
        ("Dosa Junction", 15),
        ("Biryani Mahal", 17),
        ("Chai & Toast", 16),
        ("Tandoor Street", 16),
        ("Spice Garden", 16),
        ("Lassi Corner", 16),
    ),
    districts=("Market", "Station Road", "Lake View", "Old Town", "Tech Park", "Garden", "Fort"),
    streets=("MG Road", "Park Street", "Gandhi Nagar", "Temple Road", "Church Street"),
    street="{number}, {street}",
    down_brand="Dosa Junction",
    down_from=3,
)

COUNTRIES = {country.code: country for country in (BRAZIL, CHILE, INDIA)}
