"""The shop's customers, suppliers and goods; all of their domains are of the examples' kind."""

from __future__ import annotations

PEOPLE = (
    ("Ana Silva", "ana.silva@metalurgica-silva.example"),
    ("Rui Tavares", "rui.tavares@obras-do-norte.example"),
    ("Inês Carvalho", "ines.carvalho@carpintaria-lima.example"),
    ("Marta Pinheiro", "marta@jardins-do-sado.example"),
    ("Liam Byrne", "liam.byrne@harbour-joinery.example"),
    ("Sofia Matos", "sofia.matos@atelier-matos.example"),
    ("Pedro Nunes", "pedro.nunes@serralharia-nunes.example"),
    ("Carla Duarte", "carla@duarte-e-filhos.example"),
    ("Hotel Miramar", "manutencao@hotel-miramar.example"),
    ("João Faria", "joao.faria@faria-eletricidade.example"),
    ("Teresa Gomes", "teresa.gomes@condominios-gomes.example"),
    ("Oficina Ribeiro", "geral@oficina-ribeiro.example"),
)
SUPPLIERS = (
    ("Ferragens do Minho", "encomendas@ferragens-do-minho.example"),
    ("Abrasivos Ibéricos", "pedidos@abrasivos-ibericos.example"),
    ("Máquinas Vouga", "vendas@maquinas-vouga.example"),
)
GOODS = (
    ("Berbequim de impacto 18 V", "149.90"),
    ("Serra circular 190 mm", "189.00"),
    ("Jogo de brocas SDS-plus, 12 peças", "34.50"),
    ("Rebarbadora 125 mm", "79.90"),
    ("Nível laser de linhas cruzadas", "119.00"),
    ("Caixa de 200 parafusos 5 × 60", "12.80"),
    ("Aspirador industrial 30 l", "229.00"),
)
SUBJECTS = {
    "alitools_order_confirmation": "A sua encomenda n.º A-{number} está confirmada",
    "supplier_new_order": "Nova encomenda n.º F-{number}",
    "alitools_newsletter_monthly": "Ferramentas para o outono · AliTools",
}


def order(number: int) -> dict[str, object]:
    """Return the variables of the order confirmation ``number``."""
    goods = [GOODS[(number + place) % len(GOODS)] for place in range(1 + number % 3)]
    total = sum(float(price) for _name, price in goods)
    return {
        "customer_name": PEOPLE[number % len(PEOPLE)][0].split()[0],
        "order_number": f"A-{number}",
        "products": [{"name": name, "quantity": 1, "price": price} for name, price in goods],
        "shipping": "6.50",
        "total": f"{total + 6.5:.2f}",
        "shipping_address": "Rua das Oficinas 12\n4400-120 Vila Nova de Gaia",
        "order_url": f"https://alitools.pt/encomendas/A-{number}",
    }
