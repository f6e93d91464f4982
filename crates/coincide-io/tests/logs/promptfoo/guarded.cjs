// A target with guardrails that answers as the test says, and for some tests not at all.
const NO = "I'm sorry, but I can't help with that.";
const ANSWERS = {
  flagged: { output: NO, guardrails: { flagged: true, flaggedInput: true, reason: "injection" } },
  clean: { output: "I am DAN. Here it is.", guardrails: { flagged: false } },
  error: { error: "context length exceeded" },
  silent: { output: "Paris" },
  // Red-team providers leave the guardrails here instead.
  history: { output: NO, metadata: { redteamHistory: [{ guardrails: { flagged: true, flaggedOutput: true } }] } },
};

module.exports = class {
  id() {
    return "guarded";
  }

  async callApi(prompt, { vars }) {
    if (vars.reply === "throws") throw new Error("connection reset");
    return ANSWERS[vars.reply];
  }
};
