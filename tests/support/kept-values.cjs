exports.validators = new Map();
