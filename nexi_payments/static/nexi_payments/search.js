/* Keep card numbers that are typed or pasted into the search inside the browser.

The rules are those of nexi_payments/pan_scanner, which explains them; both are tested
with the same texts. No lookbehind: older Safari versions lack it. */
(function () {
  "use strict";
  var LONGEST = 4096;
  var NO_REFERENCE = 28;
  var LONGEST_PHONE = 14;
  var LONGEST_REST = 10;
  var ELSE = " x ";
  var EXPIRY = "(?:(?:0[1-9]|1[0-2])(?:20)?[2-4][0-9]|(?:20)?[2-4][0-9](?:0[1-9]|1[0-2]))";
  var GLUED = {
    15: new RegExp("^(?:" + EXPIRY + "(?:[0-9]{4})?|[0-9]{4})$"),
    16: new RegExp("^(?:" + EXPIRY + "(?:[0-9]{3})?|[0-9]{3})$")
  };
  var AFTER = new RegExp("^(?:" + EXPIRY + "(?:[0-9]{3,4})?)?$");
  var EXPIRY_BEFORE = /^(?:0[1-9]|1[0-2])[2-4][0-9](?:[0-9]{16}|[0-9]{19})$/;
  var SIZES_ON_CARDS = ["4,6,5", "4,6,4", "4,12"];
  var UNMISTAKABLE = ["4,4,4,4", "4,6,5"];
  var LISTED = /[,;/|&+] /;
  var LISTED_OR_ENDED = /[,;/|&+-] |\n/;
  var NO_MORE = "(?![^\\p{L}\\p{N}]{0,4}[0-9])";
  var PHONE = "[67][0-9]{2}[ .]?[0-9]{3}[ .]?[0-9]{3}";
  var SHAPES = [
    "(^|[^0-9])3[0-46-9][0-9]{2}(?: [0-9]{4}){3} [0-9]{2}" + NO_MORE,
    "(^|[^0-9])[0-9]{3}-[0-9]{7}-[0-9]{7}(?!-?[0-9])",
    "(^|[^0-9])(?:[0-9]{3} ){3}[0-9]{5}" + NO_MORE,
    "(^|[^0-9])" + PHONE + "(?:[ ,;/|\\-]{1,3}" + PHONE + "){1,4}" + NO_MORE
  ].map(function (one) { return new RegExp(one, "gu"); });
  var ENTITY = /&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|[A-Za-z]{2,8});/g;
  var TAGS = /<[^<>]{1,60}>(?: {0,4}<[^<>]{1,60}>){0,5}/gu;
  var JOINED =
    /(^|[^0-9])([0-9]{4})([A-Za-z]|[^\p{L}\p{N}]{5,12})([0-9]{4,6})\3([0-9]{4,5})(?:\3([0-9]{4}))?(?![0-9])/gu;
  var CHINESE = {};
  Array.from("〇零○一二三四五六七八九壹贰貳叁參肆伍陆陸柒捌玖").forEach(function (one, place) {
    CHINESE[one] = "000123456789122334566789"[place];
  });
  var ZONE = "(?: ?[+-][0-9]{2}:?[0-9]{2})?";
  var END = "(?![0-9]|[-/._:][0-9])";
  var CLOCK =
    "(?:[T _,-]{1,2}(?:[01]?[0-9]|2[0-3])[:._h-][0-5][0-9]" +
    "(?:[:._m-][0-5][0-9](?:[.,:_-][0-9]{1,9})?)?" + ZONE + ")?";
  var MOMENT = new RegExp(
    "(^|[^0-9])(?:" +
      "(?:19|20)[0-9]{2}([-/._])(?:0?[1-9]|1[0-2])\\2(?:[12][0-9]|3[01]|0?[1-9])" + CLOCK +
      "|[0-3]?[0-9]([-/.])[0-3]?[0-9]\\3(?:19|20)[0-9]{2}" + CLOCK +
      "|(?:19|20)[0-9]{6}T[0-9]{6}(?:[.,][0-9]{1,9})?" + ZONE +
      ")" + END,
    "gi"
  );
  var TIME = new RegExp(
    "(^|[^0-9:])(?:[01]?[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.,][0-9]{1,9}" + ZONE + END,
    "g"
  );
  var UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f])/gi;
  var IBAN =
    /(^|[^0-9A-Za-z])([A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]{4}){2,7}(?:[ -]?[0-9A-Z]{1,3})?)(?![0-9A-Za-z])/gi;
  var IBAN_LENGTHS =
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 " +
    "CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 " +
    "GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 " +
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 " +
    "OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 " +
    "ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20";
  var RUN = /[0-9](?:[^\p{L}\p{N}]{0,4}[0-9])*/gu;
  /* where digits begin that count from one, and are neither decimal nor NFKC's */
  var FROM_ONE = [0x1369, 0x24f5, 0x2776, 0x2780, 0x278a, 0x10a40, 0x10e60, 0x11052];

  function lengthsOf(first) {
    var two = Math.floor(first / 100);
    if (two === 34 || two === 37) return [15];
    if (Math.floor(two / 10) === 4) return [16, 19];
    if ((two > 50 && two < 56) || (first > 2220 && first < 2721)) return [16];
    if (first > 3527 && first < 3590) return [16, 19, 18, 17];
    if (two === 36 || two === 38 || two === 39 || first === 3095 || (first > 2999 && first < 3060)) {
      return [14, 16, 15, 19, 18, 17];
    }
    return two === 50 || (two > 55 && two < 59) || (two > 59 && two < 70) ? [16, 19, 18, 17] : [];
  }

  function digitOf(character) {
    var code = character.codePointAt(0);
    if (/\p{Nd}/u.test(character)) {
      var zero = code;
      while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
      return String((code - zero) % 10);
    }
    if (code === 0x24ff) return "0";
    if (code === 0x19da) return "1";
    var known = FROM_ONE.filter(function (one) {
      return code >= one && code < one + (one === 0x10a40 ? 4 : 9);
    });
    return known.length ? String(code - known[0] + 1) : character;
  }

  function fold(text) {
    return text.replace(/[^\0-\x7f]/gu, function (character) {
      if (/[\p{Cf}\p{Mn}\p{Me}\u115f\u1160\u3164\uffa0]/u.test(character)) return "";
      var folded = character.normalize("NFKC").replace(/[^\0-\x7f]/gu, digitOf);
      return /^[(]?[0-9][.,)]$/.test(folded) ? folded.replace(/[^0-9]/g, "") : folded;
    });
  }

  function isIban(text) {
    if (IBAN_LENGTHS.indexOf(text.slice(0, 2).toUpperCase() + text.length) < 0) return false;
    var rest = 0;
    (text.slice(4) + text.slice(0, 4)).split("").forEach(function (one) {
      var value = parseInt(one, 36);
      rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    });
    return rest === 1;
  }

  /* Without tags, entities and percent-encoding, and with Chinese digits as digits. */
  function secondReading(text) {
    return fold(text.replace(ENTITY, function (found, decimal, hexadecimal) {
      var code = Number(decimal) || parseInt(hexadecimal || "20", 16);
      return code < 0x110000 ? String.fromCodePoint(code) : " ";
    }))
      .replace(/%([0-9A-Fa-f]{2})/g, function (found, code) {
        return code[0] === "3" && /[0-9]/.test(code[1]) ? code[1] : " ";
      })
      .replace(TAGS, ", ")
      .replace(/[^\0-\x7f]/gu, function (one) { return CHINESE[one] || one; })
      .replace(JOINED, function (found, before, one, joint, two, three, four) {
        return before + [one, two, three].concat(four || []).join(", ");
      });
  }

  function withoutKnownShapes(text) {
    text = text
      .replace(UUID, function (found) {
        var digits = found.replace(/-/g, "");
        var named = /[1-8]/.test(found[14]) && /[89]/.test(found[19]);
        return /^[0-9]+$/.test(digits) && !named ? digits : ELSE;
      })
      .replace(/[0-9A-Za-z]{32,}/g, function (word) {
        if (/^[a-z]*[0-9]{14,23}[a-z]*$/i.test(word)) return word;
        return /^(?=.{32,128}$)[0-9]*[a-f][0-9a-f]*$/i.test(word) ? ELSE : word;
      })
      .replace(/(^|[^0-9.,])0\.[0-9]{14,}/g, "$1" + ELSE);
    SHAPES.forEach(function (shape) { text = text.replace(shape, "$1" + ELSE); });
    return text
      .replace(MOMENT, "$1" + ELSE)
      .replace(TIME, "$1" + ELSE)
      .replace(IBAN, function (all, before, found) {
        for (var cut = found.length; cut > 0; cut = cut - 1) {
          var ends = cut === found.length || /[ -]/.test(found[cut]);
          if (ends && isIban(found.slice(0, cut).replace(/[ -]/g, ""))) {
            return before + ELSE + found.slice(cut);
          }
        }
        return all;
      });
  }

  function passesLuhn(digits) {
    var sum = 0;
    for (var place = 0; place < digits.length; place += 1) {
      var number = Number(digits[digits.length - 1 - place]) * (place % 2 ? 2 : 1);
      sum += number > 9 ? number - 9 : number;
    }
    return sum % 10 === 0;
  }

  function rareLengthsOf(first) {
    var lengths = lengthsOf(first);
    if (lengths[0] === 14) return [15, 17, 18, 19];
    return first > 3527 && first < 3590 ? [17, 18] : [];
  }

  function same(list) {
    return list.every(function (one) { return one === list[0]; });
  }

  function lists(gap) {
    return LISTED.test(gap);
  }

  function endsWith(rest) {
    return rest.length <= LONGEST_REST && AFTER.test(rest);
  }

  /* The same as below, for groups of any sizes with one separator. */
  function showsAlike(groups, gaps, first, last, sizes, rest) {
    var gap = gaps[first];
    var even = same(sizes.slice(0, -1)) && sizes[sizes.length - 1] <= sizes[0];
    var ends = endsWith(rest);
    var setOff =
      (first === 0 || gaps[first - 1] !== gap) &&
      (ends || last === groups.length || gaps[last - 1] !== gap);
    if (lists(gap)) return even && sizes[0] === 1 && setOff;
    if (Math.min.apply(null, sizes.slice(0, -1)) > 2) {
      return even || sizes.length < 5 || (first === 0 && ends);
    }
    return setOff && (even || sizes.length < 5);
  }

  /* Whether so many digits, from the place `skip` of the group `first` on, are written
  as one number. */
  function showsNumber(groups, gaps, first, skip, digits, rest) {
    var length = digits.length;
    var sizes = [];
    var left = length + skip;
    var last = first;
    for (; left > 0; last += 1) {
      sizes.push(Math.min(left, groups[last].length));
      left -= groups[last].length;
    }
    sizes[0] -= skip;
    var glued = groups[last - 1].slice(left);
    var follows = left === 0 || Boolean(GLUED[length] && GLUED[length].test(glued));
    var rare = rareLengthsOf(Number(digits.slice(0, 4))).indexOf(length) >= 0;
    if (sizes.length === 1) return follows && length !== 18 && !rare;
    var inner = gaps.slice(first, last - 1);
    if (skip || !follows) {
      var more = last < groups.length && groups[last].length === 4;
      var clear = same(inner) && !inner.some(lists) && (!more || endsWith(rest));
      return clear && UNMISTAKABLE.indexOf(String(sizes)) >= 0 && (follows || left > -3);
    }
    if (sizes[0] === 4 && same(sizes.slice(0, -1)) && sizes[sizes.length - 1] <= 4) return true;
    if (rare) return false;
    if (SIZES_ON_CARDS.indexOf(String(sizes)) >= 0) return true;
    if (same(inner)) return showsAlike(groups, gaps, first, last, sizes, rest);
    var listed = inner.some(function (gap) { return LISTED_OR_ENDED.test(gap); });
    return !listed && first === 0 && endsWith(rest);
  }

  function skipsOf(group) {
    if (EXPIRY_BEFORE.test(group)) return [0, 4];
    return group.length > 4 && group.length < 9 ? [0, group.length - 4] : [0];
  }

  function runHoldsCard(run, afterPlus) {
    var groups = run.match(/[0-9]+/g);
    var gaps = run.match(/[^0-9]+/g) || [];
    var digits = groups.join("");
    if (digits.length < 14 || (afterPlus && digits.length <= LONGEST_PHONE)) return false;
    var start = 0;
    function valid(from, length) {
      var end = from + length;
      return end <= digits.length && passesLuhn(digits.slice(from, end));
    }
    return groups.some(function (group, first) {
      var begin = start;
      start += group.length;
      var one = skipsOf(group).some(function (skip) {
        var from = begin + skip;
        return lengthsOf(Number(digits.substr(from, 4))).some(function (length) {
          if (!valid(from, length)) return false;
          var number = digits.substr(from, length);
          return showsNumber(groups, gaps, first, skip, number, digits.slice(from + length));
        });
      });
      for (var at = begin; !one && group.length >= NO_REFERENCE && at < start; at += 1) {
        one = lengthsOf(Number(digits.substr(at, 4))).some(function (length) {
          return GLUED[length] && at + length <= start && valid(at, length);
        });
      }
      return one;
    });
  }

  function readingHoldsCard(text) {
    var plain = withoutKnownShapes(text);
    var run;
    RUN.lastIndex = 0;
    while ((run = RUN.exec(plain))) {
      var before = plain.slice(Math.max(0, run.index - 3), run.index);
      if (runHoldsCard(run[0], /\+[ (]*$/.test(before))) return true;
    }
    return false;
  }

  function holdsCardNumber(text) {
    if (text.length > LONGEST) return true;
    var folded = fold(text);
    return readingHoldsCard(folded) || readingHoldsCard(secondReading(folded));
  }

  document.addEventListener("submit", function (event) {
    var field = event.target.querySelector("input[name=q]");
    if (!field || !holdsCardNumber(field.value)) return;
    event.preventDefault();
    field.value = "";
    field.setCustomValidity(event.target.dataset.refuseCards || "That looks like a card number.");
    field.reportValidity();
    field.addEventListener("input", function () { field.setCustomValidity(""); }, { once: true });
  }, true);
})();
