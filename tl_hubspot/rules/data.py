"""Lists that the rules consult: mailbox providers, social and shared hosts, legal forms, words around VAT numbers.

Data only. How they are used lives in `normalize`; a portal's owner replaces the host lists through `RuleSettings`.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FREE_MAIL_HOSTS = _words("""
gmail.com googlemail.com
outlook.com outlook.be outlook.fr outlook.de outlook.es outlook.it outlook.pt
hotmail.com hotmail.be hotmail.nl hotmail.fr hotmail.de hotmail.it hotmail.es hotmail.co.uk
live.com live.be live.nl live.fr live.de live.it live.co.uk live.ie msn.com passport.com windowslive.com
yahoo.com yahoo.be yahoo.nl yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.co.uk yahoo.ie ymail.com rocketmail.com
icloud.com me.com mac.com aol.com aol.fr aol.de aol.be aol.nl aol.co.uk aim.com
proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tuta.io tuta.com
gmx.com gmx.net gmx.de gmx.at gmx.ch gmx.fr web.de freenet.de t-online.de arcor.de online.de 1und1.de
mail.com email.com usa.com post.com hushmail.com fastmail.com fastmail.fm hey.com zoho.com zohomail.eu runbox.com
mailbox.org posteo.de posteo.net disroot.org riseup.net duck.com
yandex.com yandex.ru mail.ru inbox.ru list.ru bk.ru rambler.ru qq.com 163.com 126.com sina.com naver.com daum.net
rediffmail.com mailinator.com guerrillamail.com yopmail.com
telenet.be skynet.be proximus.be belgacom.net belgacom.be pandora.be scarlet.be voo.be brutele.be base.be
chello.be edpnet.be edpnet.net tele2.be tiscali.be versatel.be fulladsl.be mobistar.be advalvas.be
swing.be euphonynet.be cybernet.be dommel.be win.be numericable.be coditel.be
ziggo.nl kpnmail.nl kpnplanet.nl planet.nl hetnet.nl home.nl xs4all.nl casema.nl chello.nl upcmail.nl quicknet.nl
zonnet.nl tele2.nl solcon.nl online.nl telfort.nl caiway.nl caiway.net wxs.nl freeler.nl zeelandnet.nl kabelfoon.nl
orange.fr wanadoo.fr free.fr sfr.fr laposte.net neuf.fr bbox.fr numericable.fr club-internet.fr aliceadsl.fr
pt.lu internet.lu vo.lu bluewin.ch sunrise.ch hispeed.ch aon.at chello.at a1.net
btinternet.com virginmedia.com sky.com talktalk.net ntlworld.com blueyonder.co.uk tiscali.co.uk eircom.net
libero.it virgilio.it alice.it tiscali.it tin.it telefonica.net terra.es sapo.pt
wp.pl o2.pl onet.pl interia.pl seznam.cz centrum.cz
comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net
""")
"""Providers where anybody may have a mailbox: the domain says nothing about a company."""

SOCIAL_HOSTS = _words("""
facebook.com facebook.be fb.com fb.me m.me instagram.com instagr.am threads.net threads.com messenger.com
linkedin.com lnkd.in twitter.com x.com t.co youtube.com youtu.be tiktok.com snapchat.com
pinterest.com pinterest.fr pinterest.de pinterest.co.uk pin.it whatsapp.com wa.me telegram.org t.me telegram.me
vimeo.com dailymotion.com twitch.tv medium.com substack.com tumblr.com reddit.com discord.com discord.gg
xing.com viadeo.com flickr.com soundcloud.com bandcamp.com spotify.com mixcloud.com behance.net dribbble.com
vk.com weibo.com wechat.com bsky.app mastodon.social nextdoor.com meetup.com strava.com
linktr.ee about.me bio.link beacons.ai lnk.bio campsite.bio carrd.co
bit.ly tinyurl.com ow.ly goo.gl g.page g.co maps.app.goo.gl rebrand.ly
google.com google.be google.nl google.fr google.de google.co.uk google.lu
tripadvisor.com tripadvisor.be tripadvisor.nl tripadvisor.fr yelp.com trustpilot.com foursquare.com
booking.com airbnb.com airbnb.be airbnb.nl etsy.com ebay.com ebay.be amazon.com 2dehands.be 2ememain.be marktplaats.nl
immoweb.be goudengids.be pagesdor.be openingsuren.vlaanderen kbopub.economie.fgov.be companyweb.be
eventbrite.com eventbrite.be wikipedia.org
""")
"""Networks, link pages, short links and directories where a company has a page but not a domain of its own."""

_ONE_WORD_FORMS = _words("""
bv bvba ebvba sbvba nv sa sprl sprlu srl vzw ivzw asbl aisbl cv cvba cvoa cvso sc scrl scris scri vof snc scs gcv
commv commva comm sca esv eesv gie fup son
sarl sarls sas sasu eurl sci scp
gmbh mbh ag kg kgaa ohg ug gbr
ltd limited plc llp llc inc incorporated corp corporation
spa srls sl slu oy oyj ab aps asa kft sro
se sce
""")
_LONGER_FORMS = (
    "comm v",
    "comm va",
    "gmbh co kg",
    "sp z oo",
    "naamloze vennootschap",
    "besloten vennootschap",
    "commanditaire vennootschap",
    "vennootschap onder firma",
    "societe anonyme",
    "societe a responsabilite limitee",
)
LEGAL_FORMS = tuple(sorted(_LONGER_FORMS)) + tuple(sorted(_ONE_WORD_FORMS | {" ".join(f) for f in ("bv", "nv", "sa")}))
"""Legal forms in the spelling of a normalised name (lower case, no dots, words separated by one space)."""

VAT_WORDS = _words("NR NO NUM ID")
"""Short words around VAT numbers; longer words are recognised by being words (see `normalize.vat_numbers`)."""

VAT_LABELS = ("BTW", "TVA", "VAT", "MWST", "UST", "IVA")
"""What people write glued to the front of a VAT number."""
