/**
 * Month names as `ls` prints them in the locales that servers run in, abbreviated or not.
 *
 * A name belongs here only if it means one month in every language of the table. That leaves Croatian out: its `lip`
 * and `srp` are a month before the Polish and the Czech ones.
 */
const languages = [
  // English
  "jan january|feb february|mar march|apr april|may|jun june|jul july|aug august|sep sept september|oct october|" +
  "nov november|dec december",
  // German
  "jan jän januar jänner|feb februar|mär mrz märz maerz|apr april|mai|jun juni|jul juli|aug august|sep september|" +
  "okt oktober|nov november|dez dezember",
  // French
  "jan janv janvier|fév févr février|mar mars|avr avril|mai|jun juin|jui juil juillet|aoû août|sep sept septembre|" +
  "oct octobre|nov novembre|déc décembre",
  // Spanish
  "ene enero|feb febrero|mar marzo|abr abril|may mayo|jun junio|jul julio|ago agosto|sep sept septiembre|oct octubre|" +
  "nov noviembre|dic diciembre",
  // Italian
  "gen gennaio|feb febbraio|mar marzo|apr aprile|mag maggio|giu giugno|lug luglio|ago agosto|set settembre|" +
  "ott ottobre|nov novembre|dic dicembre",
  // Portuguese
  "jan janeiro|fev fevereiro|mar março|abr abril|mai maio|jun junho|jul julho|ago agosto|set setembro|out outubro|" +
  "nov novembro|dez dezembro",
  // Dutch
  "jan januari|feb februari|mrt maart|apr april|mei|jun juni|jul juli|aug augustus|sep september|okt oktober|" +
  "nov november|dec december",
  // Swedish, Danish, Norwegian
  "jan januari|feb februari|mar mars marts|apr april|maj mai|jun juni|jul juli|aug augusti|sep september|okt oktober|" +
  "nov november|dec des december desember",
  // Finnish
  "tammi|helmi|maalis|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu",
  // Polish
  "sty|lut|mar|kwi|maj|cze|lip|sie|wrz|paź|lis|gru",
  // Czech
  "led|úno|bře|dub|kvě|čen|čec|srp|zář|říj|lis|pro",
  // Hungarian
  "jan|feb febr|már márc|ápr|máj|jún|júl|aug|szept szep|okt|nov|dec",
  // Icelandic
  "jan|feb|mar|apr|maí|jún|júl|ágú|sep|okt|nóv|des",
  // Romanian
  "ian|feb|mar|apr|mai|iun|iul|aug|sep|oct|noi|dec",
  // Turkish
  "oca|şub|mar|nis|may|haz|tem|ağu|eyl|eki|kas|ara",
  // Russian
  "янв|фев февр|мар мара|апр|май мая|июн|июл|авг|сен сент|окт|ноя нояб|дек",
  // Ukrainian
  "січ|лют|бер|кві|тра|чер|лип|сер|вер|жов|лис|гру",
  // Greek
  "ιαν|φεβ|μαρ|απρ|μαϊ μαι|ιουν|ιουλ|αυγ|σεπ|οκτ|νοε|δεκ"
]

// Accents come and go with the server's encoding, and full stops with its version.
const normalise = (name: string): string =>
  name.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replace(/[.,]+$/, "")

const table = new Map<string, number>()
for (const language of languages) {
  for (const [index, names] of language.split("|").entries()) {
    for (const name of names.split(" ")) table.set(normalise(name), index + 1)
  }
}

const longest = 24

/**
 * 1 to 12, or undefined.
 */
export const lookup = (name: string): number | undefined =>
  name.length > longest ? undefined : table.get(normalise(name))
