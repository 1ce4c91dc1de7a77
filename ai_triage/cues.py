"""Words and phrases that say what a mail is after, in English and Portuguese.

Each cue lists phrases of one to four words, lower case and without accents; ``*`` stands for any
ending of a single word. A cue is not a verdict: ``linear`` has learnt what each of them weighs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_PHRASES = {
    "asks": "can you, could you, would you, will you, can i, could i, may i, can we, could we, "
    "do you, are you, is it possible, is there, are there, would it be possible, any chance, "
    "podem, podiam, poderiam, poderia, pode me, podia, conseguem, consegue, conseguimos, posso, "
    "podemos, da para, da pra, tem como, teria como, e possivel, voces tem, voces fazem, fazem, "
    "aceitam, vendem, existe, ha possibilidade, sera que, seria possivel",
    "asks what": "how do, how can, how much, how long, how many, how far, what is, what are, "
    "what does, what do, what time, what would, where is, where can, where do, when will, when can, "
    "when is, when do, which, whether, who do, why is, why did, why was, quanto custa, quanto fica, "
    "quanto sai, qto, quanto e, quanto tempo, quantos, qual, quais, onde, quando e, quando chega, "
    "quando vai, como faco, como posso, como e que, como fica, por que, porque e que, cade, "
    "o que acontece, o que significa, que documentos, a partir de, ate quando, sabem se, saber se",
    "wants": "i need, we need, i want, we want, i d like, we d like, i would like, we would like, "
    "i m looking for, we re looking for, looking to, i wish, i ask, i request, i expect, we require, "
    "preciso, precisamos, queria, queriamos, gostaria, gostava, gostavamos, gostariamos, quero, "
    "queremos, solicito, solicitamos, agradecia, agradeciamos, peco, pedimos, exijo, exigimos, "
    "venho solicitar, pretendo, pretendemos, aguardo, aguardamos, fico no aguardo, necessito",
    "tells to": "please send, please confirm, please advise, please let, please tell, please check, "
    "please help, please call, please arrange, please cancel, please change, please issue, "
    "please find out, kindly, let me know, let us know, tell me, send me, call me, ring me, "
    "get back to me, confirm, advise, por favor, favor, fazem o favor, mandem, enviem, confirmem, "
    "digam, avisem, telefonem, liguem, devolvam, cancelem, resolvam, mandem me, digam me, "
    "me manda, me mandem, me avisa, me liga, me ligue, me liguem, me ajuda, me ajudem, queiram, "
    "informem, verifiquem, tratem, troquem",
    "problem": "broken, broke, faulty, defective, damaged, wrong, missing, incomplete, never arrived, "
    "not arrived, hasn t arrived, not working, doesn t work, won t, stopped working, error, crash*, "
    "bug, fails, failed to, late, still waiting, lost, can t, cannot, unable, leak*, stuck, locked, "
    "charged, overcharged, refund*, dirty, cold, avari*, quebrad*, quebrou, partid*, partiu, defeit*, "
    "estrag*, danific*, errad*, trocad*, faltam, faltou, falta, nao funciona, deixou de funcionar, "
    "parou, erro, trava, travou, nao chegou, nao recebi, atras*, perdid*, nao consigo, bloquead*, "
    "cobrar*, cobrad*, cobrou, reembols*, estorno, suj*, fri*, sumiu, vazando, ainda nao, "
    "ate agora, sem resposta, cobranca*",
    "anger": "disappoint*, unacceptable, not acceptable, appalling, outrageous, ridiculous, disgrace*, "
    "rude, terrible, awful, worst, poor, complain*, fed up, apology, apologise, ombudsman, solicitor, "
    "lawyer, never again, third time, fourth time, shame, inaceitavel, absurdo, vergonha, "
    "vergonhos*, decepcion*, dececion*, desilu*, pessim*, horrivel, reclama*, queixa, procon, "
    "advogad*, livro de reclamacoes, nunca mais, terceira vez, quarta vez, descaso, lamentavel, "
    "falta de respeito, grosseir*, desculpa, enganosa, enganar",
    "hurry": "urgent, urgently, asap, immediately, right now, right away, at once, emergency, today, "
    "tonight, now, deadline, straight away, help, immediate, urgente, urgencia, imediat*, ja, agora, "
    "hoje, socorro, o quanto antes, quanto antes, o mais rapido, o mais depressa, emergencia, prazo",
    "danger": "fire, smoke, gas, injur*, hospital, ambulance, bleed*, allergic, allergy, stolen, hacked, "
    "fraud, unsafe, sparks, flood*, burst, fever, locked out, pain, fogo, fumo, fumaca, incendio, "
    "ferid*, machuc*, sangr*, alergic*, roub*, fraude, faisca*, alag*, inund*, estour*, febre, "
    "pres*, dor, dores, trancad*",
    "thanks": "thank you, thanks, many thanks, cheers, ta, grateful, appreciate*, obrigad*, brigad*, "
    "agradeco, agradecemos, agradecid*, valeu, grat*, bem haja, vlw",
    "settled": "all good, all set, all clear, sorted, solved, resolved, fixed, works now, works again, "
    "working again, no need, never mind, nevermind, got it, perfect, great, brilliant, lovely, noted, "
    "see you, looking forward, received, found it, that s it, that answers, that works, close the, "
    "forget my, disregard, ignore my, no worries, turned up, resolvid*, resolveu, deu certo, "
    "tudo certo, tudo bem agora, ja recebi, recebido, recebi, perfeito, otimo, maravilha, show, "
    "anotado, combinado, ate la, ate segunda, nao precisa, nao e preciso, nao precisam, esquec*, "
    "desconsider*, ja achei, ja encontrei, ja esta, ja resolvi, funcionou, afinal, fica assim, "
    "serviu, encerrar o, fechado, escusa, nao liguem",
    "declines": "decided against, decided not, not interested, no longer need, won t need, "
    "don t need, another company, someone else, elsewhere, this time, went with, gone with, "
    "chosen another, staying with, stay with, no thanks, nao temos interesse, sem interesse, "
    "decidimos nao, decidimos por, outra empresa, outro fornecedor, ja nao precis*, nao vamos, "
    "nao precisamos mais, nao vamos avancar, optamos, optou, escolhemos, desta vez",
    "for the record": "fyi, for your information, for your records, for your files, for info, "
    "for the record, just so you know, just to let you know, no reply needed, nothing to do, "
    "no action, as promised, minutes, agenda, reminder, para conhecimento, para informacao, "
    "para arquivo, para vosso conhecimento, so para saberem, so para avisar, so pra avisar, "
    "nada a fazer, como prometido, conforme combinado, ata, segue em anexo, seguem, lembro, "
    "lembrete, lembramos, informo",
    "unsubscribe": "unsubscribe, opt out, view in browser, view online, preferences, privacy policy, "
    "you are receiving, you re receiving, you receive this, signed up, mailing list, descadastr*, "
    "cancelar subscricao, cancelar a subscricao, cancelar inscricao, ver no navegador, "
    "sair da lista, recebe este, recebe esta, voce recebeu este, esta recebendo, inscreveu, "
    "politica de privacidade, gerir preferencias, nao quer mais receber, deixar de receber",
    "promotion": "off, sale, offer*, discount*, promo*, code, free, deal*, voucher*, coupon*, shop now, "
    "order now, buy now, order today, limited, last chance, hurry, ends, exclusive, save, new in, "
    "collection, gift, terms apply, only today, saldos, oferta*, desconto*, cupom, cupao, gratis, "
    "gratuit*, aproveit*, promoc*, portes gratis, frete gratis, compre, nao perca, ultimas horas, "
    "ultima chance, ultimos dias, exclusiv*, poupe, economize, ganhe, colecao, descubra, vale, "
    "so hoje, por tempo limitado, garanta, corra, corre, imperdivel, liquidacao",
    "publication": "read more, learn more, find out more, join us, register, sign up, discover, "
    "in this issue, this month, this week, episode, webinar, podcast, blog, newsletter, digest, "
    "release notes, edition, tips, ideas, stories, story, article, members, our readers, subscribers, "
    "conference, save the date, tickets, don t miss, book your, welcome to, we re excited, "
    "introducing, announcing, leia mais, ler mais, saiba mais, inscreva*, inscric*, nesta edicao, "
    "neste numero, este mes, esta semana, episodio, boletim, informativo, novidades, dicas, "
    "historias, artigo, socios, leitores, conferencia, reserve, participe, veja, confira, conheca, "
    "apareca, junte se, bilhetes, ingressos, apresentamos, chegou, circular, noticias",
    "machine": "do not reply, don t reply, automatic, automatically, automated, not monitored, "
    "generated, this mailbox, noreply, notification*, notified, system, log in, sign in, dashboard, "
    "settings, expires, expire, code is, valid for, status, alert, job, build, host, server, "
    "version, nao responda, nao responder, automatic*, gerad*, sistema, notific*, entre na, painel, "
    "definicoes, configuracoes, expira, valido, estado, alerta, tarefa, maquina, servidor, versao, "
    "aplicacao, portal, mensagem automatica, area reservada, area de cliente",
    "notice": "has been, have been, was sent, will be, your order, your parcel, your package, "
    "your invoice, your statement, your account, your payment, your booking, your appointment, "
    "your subscription, your receipt, your tickets, is on its way, on the way, out for delivery, "
    "delivered, shipped, dispatched, is ready, is available, now available, confirmed, completed, "
    "please find attached, accepted, declined, signed, invited you, shared, mentioned, commented, "
    "foi enviad*, foi entregue, foi emitid*, foi assinad*, foi alterad*, foi renovad*, foi processad*, "
    "sua encomenda, seu pedido, sua fatura, seu extrato, sua conta, seu pagamento, sua reserva, "
    "sua consulta, sua subscricao, sua assinatura, seu recibo, a caminho, saiu para, sai hoje, "
    "esta disponivel, ja disponivel, confirmad*, concluid*, aceitou, recusou, partilhou, "
    "compartilhou, mencionou, comentou, debitamos, cobramos, recebemos o seu pagamento, "
    "pagamento recebido, ja pode, voce recebeu",
    "away": "out of office, out of the office, on leave, annual leave, parental leave, maternity, "
    "on holiday, on vacation, away, absence, absent, back on, back in, i return, i ll be back, "
    "when i m back, limited access, in my absence, no longer work, no longer at, i have left, "
    "retired, sick leave, closed, fora do escritorio, de ferias, ferias, ausente, ausencia, licenca, "
    "regresso, regressar, de volta, acesso limitado, na minha ausencia, durante a minha, "
    "nao trabalho, deixei de trabalhar, ja nao trabalho, aposentei, de baixa, encerrad*, "
    "quando voltar, volto, nao estou, viajando, em viagem",
    "received": "we have received, we ve received, has been received, have received your, "
    "has reached, received your, registered, reference, ticket, get back to you, be in touch, "
    "will reply, will respond, working days, working day, thank you for contacting, "
    "thank you for your message, thank you for your mail, thank you for writing, "
    "thanks for getting in touch, thank you for your interest, recebemos a sua, recebemos sua, "
    "recebemos o seu, recebemos seu, foi recebid*, deu entrada, registad*, registrad*, referencia, "
    "protocolo, chamado, responderemos, respondemos, retornaremos, entraremos em contato, "
    "entraremos em contacto, dias uteis, dia util, obrigado por entrar em contato, "
    "obrigado por contactar, obrigado pela mensagem, obrigado pelo contacto, agradecemos o contato, "
    "agradecemos o seu, agradecemos a sua, agradecemos seu",
    "bounced": "undeliver*, could not be delivered, couldn t be delivered, not delivered, "
    "delivery status, user unknown, mailbox full, does not exist, wasn t delivered, "
    "mailer daemon, nao foi entregue, nao pode ser entregue, nao entregue, nao existe, caixa cheia, "
    "falha na entrega, foi lida",
    "we sell": "we help, we are a, we re a, we offer, we provide, we specialise, we specialize, "
    "we supply, we manufacture, we produce, we work with, we build, we ve helped, we guarantee, "
    "our team, our clients, our company, our factory, our platform, our service, our services, "
    "our experts, our agency, companies like, businesses like, brands like, clients like, "
    "competitive price*, competitive rates, best price, ajudamos, somos uma, somos um, somos fabric*, "
    "oferecemos, fornecemos, fabricamos, trabalhamos com, trabalhamos para, desenvolvemos, "
    "garantimos, nossa equipe, nossa equipa, nossos clientes, nossa empresa, nossa fabrica, "
    "nossa plataforma, nossos servicos, nossa agencia, empresas como, negocios como, clientes como, "
    "preco competitivo, precos competitivos, melhor preco, melhores precos, a gente ajuda, "
    "nosso agente, nossos especialistas",
    "sales talk": "quick call, short call, quick chat, brief call, quick question, your calendar, "
    "my calendar, book a call, schedule a call, jump on a call, free consultation, right person, "
    "would you be open, open to a, worth a, are you interested, interested in, no obligation, "
    "following up, did you get a chance, came across, your website, your site, your business, "
    "your company, your brand, your industry, your competitors, show you how, a demo, case study, "
    "let me know if interested, minutes, uma chamada, rapidinho, pergunta rapida, minha agenda, "
    "sua agenda, agendar, consulta gratuita, sem compromisso, teria interesse, tem interesse, "
    "interessado, interessada, seu site, seu negocio, sua empresa, sua marca, seu setor, "
    "seus concorrentes, posso mostrar, demonstracao, minutos, minutinhos, topa, faria sentido, "
    "conheci a, vi que a, encontrei o seu, encontrei a sua",
    "sales goods": "leads, seo, google, ranking, first page, traffic, backlink*, dofollow, guest post, "
    "sponsored, followers, influencer*, creators, outsourc*, web design, app development, "
    "decision makers, attendees, loan*, funding, investors, audit, more customers, more sales, roi, "
    "growth, conversion*, mais clientes, mais vendas, primeira pagina, trafego, seguidores, "
    "influenciador*, criadores, terceiriz*, lista de, credito, emprestimo, investidores, auditoria, "
    "crescimento, conversoes, leads, consorcio, anuncios, reunioes, orcamento gratis",
    "factory": "manufacturer, factory, moq, oem, dear friend, dear manager, dear sir madam, "
    "samples, catalogue, catalog, freight, shenzhen, ningbo, china, fabricante, fabrica, "
    "caro amigo, prezado gerente, catalogo, amostra*, frete maritimo, quantidade minima",
    "phishing": "verify your, confirm your identity, confirm your account, suspended, suspension, "
    "suspicious, unusual activity, unusual, click here, click the link, click below, within 24 hours, "
    "within 48 hours, update your payment, update your billing, your mailbox, your password, "
    "restore access, permanently, failure to, enable macros, enable editing, customs fee, "
    "redelivery, new bank details, bank details have changed, wallet, verifique a sua, verifique sua, "
    "confirme a sua, confirme sua, confirme os seus, suspens*, suspeit*, atividade invulgar, "
    "invulgar, clique aqui, clique no link, proximas 24 horas, em 24 horas, em 48 horas, "
    "atualize os dados, atualize a forma, atualize seus, sua caixa, sua palavra passe, sua senha, "
    "repor o acesso, restabelec*, caso contrario, ative as macros, habilite, taxa de, alfandega, "
    "regularize, evitar protesto, pendencia, multa, coima, definitivamente",
    "scam": "million*, lottery, inheritance, heir, next of kin, beneficiary, bitcoin, crypto, "
    "gift card*, vouchers, confidential, discreet, winner, you have won, you ve won, claim, casino, "
    "bonus, spins, earn, income, guaranteed, profit, investment, invest, double, widow, god, "
    "prize, pills, viagra, weight, miracle, lonely, milhoes, milhao, heranca, herdeir*, loteria, "
    "lotaria, bitcoin, cripto, cartoes presente, cartao presente, confidencial, discret*, ganhou, "
    "premio, casino, cassino, rodadas, renda, lucro*, investimento, investir, dobre, viuva, deus, "
    "comprimidos, emagre*, milagre, sozinha, foi selecionad*, garantid*, spc, serasa",
    "praise": "love, loved, wonderful, kind, helpful, happy with, well done, delicious, best wishes to, "
    "great service, adorei, adoramos, maravilhos*, simpatic*, prestavel, atencios*, "
    "parabens, deliciosos*, excelente, feliz natal, boas festas, merry christmas, happy easter, "
    "happy new year, boa pascoa",
    "applies": "apply, applying, application for, my cv, cv, resume, vacancy, internship, apprentice*, "
    "job, position, curriculo, candidat*, estagio, vaga, vagas, emprego, aprendiz",
    "quote": "quote, quotation, estimate, price for, prices, offer for, proposal, tender, rfq, "
    "how much, ballpark, orcamento, cotacao, proposta, precos, preco para, valor para, concurso",
    "books": "appointment, book, booking, reserve, reservation, table for, room for, reschedule, "
    "move my, slot, available, availability, cancel my, marcar, remarcar, desmarcar, agendar, "
    "agendamento, marcacao, consulta, reservar, reserva, mesa para, quarto, vaga para, horario, "
    "disponibilidade, disponivel",
    "me": "i, my, me, i ve, i m, mine, myself, eu, meu, minha, meus, minhas, me, comprei, recebi, "
    "tenho, fiz, paguei, encomendei, pedi, liguei, telefonei, escrevi, mandei, tentei, mudei, "
    "estou, to, tô, fiquei, vi, moro, sou, fui, cancelei",
    "us": "we, our, us, we ve, we re, nos, nosso, nossa, nossos, nossas, compramos, recebemos, temos, "
    "fizemos, pagamos, encomendamos, pedimos, estamos, somos, a gente, ficamos, vimos",
    "you firm": "your shop, your driver, your technician, your engineer, your staff, your courier, "
    "your office, your hotline, your support, you sent, you delivered, you promised, you said, "
    "you charged, you ve charged, you took, from you, with you, by you, vosso, vossa, vossos, vossas, "
    "convosco, voces, mandaram, enviaram, entregaram, prometeram, disseram, cobraram, vos, "
    "de voces, com voces, venderam, instalaram, ficaram de, puseram",
    "you one": "you, your, yours, voce, seu, sua, seus, suas, lhe, te, consigo, si",
}
_LONGEST = 4
SHORTEST_STEM = 3


def _parsed() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    phrases: dict[str, set[str]] = {}
    stems: dict[str, set[str]] = {}
    for cue, listed in _PHRASES.items():
        for phrase in listed.split(", "):
            place = stems if phrase.endswith("*") else phrases
            place.setdefault(phrase.rstrip("*").strip(), set()).add(cue)
    return phrases, stems


_WHOLE, _STEMS = _parsed()
_STEM_LENGTHS = sorted({len(stem) for stem in _STEMS})


def cues(words: Sequence[str]) -> Iterator[str]:
    """Yield the cue of each phrase found in ``words``, which are folded; repeats are kept."""
    for start in range(len(words)):
        for length in range(1, _LONGEST + 1):
            phrase = " ".join(words[start : start + length])
            yield from _WHOLE.get(phrase, ())
            if start + length >= len(words):
                break
        word = words[start]
        for length in _STEM_LENGTHS:
            yield from _STEMS.get(word[:length], ())
