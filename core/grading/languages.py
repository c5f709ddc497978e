"""Words that announce, conclude or doubt an answer, in the languages of the data sets."""

from __future__ import annotations

import re

LETTERS = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0400-\u04ff\u0590-\u0e7f\u1e00-\u1eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
FOREIGN = re.compile(f"[{LETTERS}]")  # letters that only words have, unlike Greek ones
UNSPACED = (
    "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts without or with few spaces
)
STOPS = "。！？।؟"  # of sentences
COLONS = ":："
MARKS = "،؛，；、，«»„“”"  # between words
PERCENTS = "%٪％"

ANSWERS = """
    réponse(?:\\s+finale)?(?:\\s+correcte)? respuesta(?:\\s+(?:final|correcta))? resposta(?:\\s+final)?
    risposta(?:\\s+finale)? antwort ergebnis antwoord odpowiedź cevap jawaban(?:nya)? đáp\\s+án jibu
    ответ الجواب(?:\\s+النهائي)? الإجابة(?:\\s+النهائية)? उत्तर উত্তর คำตอบ (?:最终|最后的?)?答案 答え 答 正解 정답 답
"""
CONCLUSIONS = """
    therefore thus so hence consequently finally in\\s+conclusion in\\s+total altogether final\\s+answer
    the\\s+(?:final\\s+)?(?:result|solution|total) le\\s+(?:résultat|total) el\\s+(?:resultado|total) o\\s+(?:resultado|total)
    donc ainsi par\\s+conséquent alors en\\s+conclusion finalement au\\s+total
    por\\s+(?:lo\\s+)?tanto así\\s+que entonces luego en\\s+conclusión finalmente en\\s+total
    portanto logo assim então por\\s+isso em\\s+conclusão no\\s+total
    quindi dunque pertanto perciò in\\s+conclusione in\\s+totale
    also daher deshalb somit folglich damit schließlich insgesamt
    dus daarom zatem więc więc\\s+ostatecznie dolayısıyla bu\\s+nedenle sonuç\\s+olarak
    jadi oleh\\s+karena\\s+itu dengan\\s+demikian vậy do\\s+đó vì\\s+vậy như\\s+vậy kwa\\s+hivyo
    следовательно значит таким\\s+образом итак поэтому
    لذا لذلك إذن وبالتالي بالتالي ومن\\s+ثم इसलिए अतः इस\\s+प्रकार সুতরাং তাই অতএব కాబట్టి అందువల్ల
    ดังนั้น เพราะฉะนั้น 所以 因此 因而 综上 总之 于是 最终 したがって よって ゆえに 따라서 그러므로
"""
INSIDE = """
    therefore donc por\\s+(?:lo\\s+)?tanto portanto quindi dunque somit folglich daher следовательно
"""  # conclude where they stand within a sentence, too
COPULAS = """
    is are equals est(?:\\s+(?:égale?\\s+à|donc))?(?:\\s+de)? sont vaut es(?:\\s+igual\\s+a)?(?:\\s+de)? son é(?:\\s+igual\\s+a)?(?:\\s+de)? são è
    sono ist sind beträgt betragen lautet wynosi jest zijn adalah là ni
    равно равен равна равны составляет هو هي يساوي تساوي คือ เท่ากับ 是 为 等于 は
"""
DOUBTS = """
    ou mais n['\u2019]est\\s+pas ne\\s+sont\\s+pas pas\\s+égal\\w* peut-être si environ entre au\\s+moins au\\s+plus plus\\s+de moins\\s+de o u oder
    pero no\\s+(?:es|son|puede) quizás tal\\s+vez aproximadamente alrededor entre más\\s+de menos\\s+de al\\s+menos
    mas não talvez cerca\\s+de oppure ma non forse circa tra aber nicht kein\\w* vielleicht wenn etwa ungefähr
    zwischen mindestens höchstens mehr\\s+als weniger\\s+als maar niet ongeveer lub albo ale nie około veya değil
    atau tetapi bukan hoặc nhưng không khoảng lakini
    или но не если около примерно между более менее может
    أو لكن ليس ليست لا ربما إذا حوالي تقريبا تقريبًا بين या लेकिन नहीं शायद लगभग বা অথবা কিন্তু নয়
    หรือ แต่ ไม่ ประมาณ 或 但 不是 不会 不对 不等于 不超过 不少于 不到 并非 可能 也许 如果 大约 大概 约为 约等于 至少 至多 最多 之间 超过
    または あるいは しかし ない およそ 또는 하지만 아니 대략
"""
RESHAPING = """
    mille millions? milliards? cents? fois douzaines? demie? tiers quarts? mil millones millón cientos? veces docenas?
    medi[oa]s? mei[oa] milhão milhões vezes dúzias? mila mezz[oa] milioni volte tausend million(?:en)? milliarden? hundert halb\\w* mal dutzend
    ribu juta kali nghìn triệu lần bin milyon duizend miljoen keer tysi\\w+ razy
    тысяч\\w* миллион\\w* сотен раз ألف آلاف مليون مئة مرات 千 万 亿 百 十 倍 分 成 多 余 半 几 億 割 천 만 억 배 พัน ล้าน เท่า
    हज़ार लाख करोड़ गुना
"""  # make another number of the one that they stand beside
UNIT_WORDS = {
    "kg": "千克 公斤 кг kilogramos? kilogrammes quilogramas? kilogramm كيلوغرام",
    "g": "克 г gramos? grammes gramas? gramm", "km": "千米 公里 км kilómetros? kilomètres? kilometer",
    "m": "米 м metros? mètres? meter متر", "cm": "厘米 см centímetros? centimètres? zentimeter", "mm": "毫米 мм",
    "h": "小时 часов часа ساعات ساعة horas? heures? stunden?", "min": "分钟 минут\\w* minutos? minuten دقيقة",
    "s": "秒 секунд\\w* segundos? secondes? sekunden?", "day": "天 дней días? jours? tage? dias? أيام",
    "$": "美元 доллар\\w* dólares دولارات دولارًا دولار", "€": "欧元 евро", "cent": "美分",
    "%": "pour\\s*cent por\\s*ciento por\\s*cento prozent percento процент\\w* بالمئة بالمائة 퍼센트",
    "deg": "度 degrés grados graus grad град\\w*",
}  # fmt: skip


def words(*texts: str) -> str:
    """Build a regular expression for a list of words, with word boundaries where the script has spaces."""
    listed = " ".join(texts).split()
    packed = [word for word in listed if re.match(f"[(?:]*[{UNSPACED}]", word)]
    spaced = [word for word in listed if word not in packed]
    either = [rf"(?<![\w\\])(?:{'|'.join(spaced)})(?!\w)"] if spaced else []
    return f"(?:{'|'.join(either + packed)})"


ANSWER = re.compile(
    rf"{words(ANSWERS)}\s*(?:{words(COPULAS)}|[=—{COLONS}]|は|은|는)\s*[{COLONS}]?\s*",
    re.IGNORECASE,
)
OPENING = re.compile(  # in mid-text, where the end of a line was lost
    "|".join(
        rf"{word[0].upper()}{word[1:]}(?!\w)" if word[0] < "\u0400" else word
        for word in CONCLUSIONS.split()
    )
)
CLAUSES = re.compile(
    rf"{words(CONCLUSIONS)}(?!\s+(?:far|that|long|many|much|few|on|called)\b)",
    re.IGNORECASE,
)
BEGINS = re.compile(rf"^\W*{words(CONCLUSIONS)}", re.IGNORECASE)
CONCLUDES = re.compile(words(INSIDE), re.IGNORECASE)
COPULA = re.compile(rf"{words(COPULAS)}\s*[{COLONS}]?\s*", re.IGNORECASE)
DOUBT = re.compile(words(DOUBTS), re.IGNORECASE)
RESHAPES = re.compile(words(RESHAPING), re.IGNORECASE)
UNITS = {unit: re.compile(words(names), re.IGNORECASE) for unit, names in UNIT_WORDS.items()}
