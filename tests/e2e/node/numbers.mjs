// Numbers as ECMAScript prints them, of the same random bit patterns as tests/twin/number_compare.cc.
//
//   node numbers.mjs COUNT [SEED]                     a line for each million, as the other program prints it
//   node numbers.mjs COUNT [SEED] --against PROGRAM   runs the program beside it and compares line by line
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';

const LINE = 1_000_000;

// SplitMix64 on pairs of 32 bits: BigInt would take most of the time.
class SplitMix64 {
  constructor(seed) {
    const state = BigInt.asUintN(64, BigInt(seed));
    this.high = Number(state >> 32n) | 0;
    this.low = Number(state & 0xffffffffn) | 0;
    this.words = new Uint32Array(2); // low, high
  }

  static multiply(words, high, low) {
    const a = words[0];
    const a0 = a & 0xffff;
    const a1 = a >>> 16;
    const b0 = low & 0xffff;
    const b1 = low >>> 16;
    const middle = a1 * b0 + Math.floor((a0 * b0) / 0x10000);
    const cross = (middle % 0x10000) + a0 * b1;
    const carry = a1 * b1 + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
    const productHigh = (carry + Math.imul(words[1], low) + Math.imul(a, high)) >>> 0;
    words[0] = Math.imul(a, low) >>> 0;
    words[1] = productHigh;
  }

  static xorShifted(words, bits) {
    const low = (words[0] >>> bits) | (words[1] << (32 - bits));
    const high = words[1] >>> bits;
    words[0] ^= low;
    words[1] ^= high;
  }

  next() {
    const low = (this.low >>> 0) + 0x7f4a7c15;
    this.low = low | 0;
    this.high = (this.high + 0x9e3779b9 + (low > 0xffffffff ? 1 : 0)) | 0;
    const words = this.words;
    words[0] = this.low;
    words[1] = this.high;
    SplitMix64.xorShifted(words, 30);
    SplitMix64.multiply(words, 0xbf58476d, 0x1ce4e5b9);
    SplitMix64.xorShifted(words, 27);
    SplitMix64.multiply(words, 0x94d049bb, 0x133111eb);
    SplitMix64.xorShifted(words, 31);
    return words;
  }
}

function* lines(count, seed) {
  const random = new SplitMix64(seed);
  const view = new DataView(new ArrayBuffer(8));
  const digest = createHash('sha256');
  let texts = '';
  for (let done = 0; done < count; ) {
    const words = random.next();
    view.setUint32(0, words[0], true);
    view.setUint32(4, words[1], true);
    const value = view.getFloat64(0, true);
    if (!Number.isFinite(value)) continue;
    texts += `${value}\n`;
    done += 1;
    if (done % 10_000 === 0 || done === count) {
      digest.update(texts);
      texts = '';
      if (done % LINE === 0 || done === count) yield `${done} ${digest.copy().digest('hex')}`;
    }
  }
}

async function compare(count, seed, program) {
  const child = spawn(program, [String(count), String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const theirs = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let last = '';
  for (const ours of lines(count, seed)) {
    const { value } = await theirs.next();
    if (value !== ours) {
      console.error(`numbers differ between ${last === '' ? 0 : last.split(' ')[0]} and ${ours.split(' ')[0]}:`);
      console.error(`  ECMAScript ${ours}\n  ${program} ${value ?? 'has ended'}`);
      child.kill();
      return 1;
    }
    last = ours;
  }
  console.log(`the same: ${last}`);
  return 0;
}

const words = process.argv.slice(2);
const against = words.indexOf('--against');
const program = against < 0 ? undefined : words.splice(against, 2)[1];
const count = Number(words[0]);
const seed = words[1] ?? '1';
if (!Number.isSafeInteger(count) || count < 1 || !/^[0-9]+$/.test(seed) || (against >= 0 && !program)) {
  console.error('usage: node numbers.mjs COUNT [SEED] [--against PROGRAM]');
  process.exit(2);
}
if (program) {
  process.exitCode = await compare(count, seed, program);
} else {
  for (const line of lines(count, seed)) console.log(line);
}
